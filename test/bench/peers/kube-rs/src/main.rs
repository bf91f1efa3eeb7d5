//! A careful kube-rs program: streaming lists into reflector stores on a single-threaded runtime, dropping what is large
//! and not read. With BENCH_STRIP=fields it keeps nothing but the fields that Fairlead keeps in the same bench. kube-rs
//! stores have no indexes. It prints one JSON line when all kinds are synced and one for each SIGUSR1.

mod drop_large;
mod keep;

use std::cell::Cell;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::runtime::reflector::{Lookup, Store, store::Writer};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};

/// Strips one kind before it enters its store.
type Strip<K> = fn(&mut K);

/// Counts the objects of one store.
type Count = Box<dyn Fn() -> usize>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let client = Client::try_default().await?;
    let events = Rc::new(Cell::new(0u64));
    let tasks = tokio::task::LocalSet::new();
    tasks.run_until(follow_all(client, events, started)).await
}

async fn follow_all(client: Client, events: Rc<Cell<u64>>, started: Instant) -> Result<(), Box<dyn std::error::Error>> {
    let pods = follow::<Pod>(&client, &events, choose(drop_large::pod, keep::pod));
    let services = follow::<Service>(&client, &events, choose(drop_large::service, keep::service));
    let deployments = follow::<Deployment>(&client, &events, choose(drop_large::deployment, keep::deployment));
    let replica_sets = follow::<ReplicaSet>(&client, &events, choose(drop_large::replica_set, keep::replica_set));
    let stateful_sets = follow::<StatefulSet>(&client, &events, choose(drop_large::stateful_set, keep::stateful_set));
    let daemon_sets = follow::<DaemonSet>(&client, &events, choose(drop_large::daemon_set, keep::daemon_set));
    let jobs = follow::<Job>(&client, &events, choose(drop_large::job, keep::job));
    let cron_jobs = follow::<CronJob>(&client, &events, choose(drop_large::cron_job, keep::cron_job));

    futures::try_join!(
        pods.wait_until_ready(),
        services.wait_until_ready(),
        deployments.wait_until_ready(),
        replica_sets.wait_until_ready(),
        stateful_sets.wait_until_ready(),
        daemon_sets.wait_until_ready(),
        jobs.wait_until_ready(),
        cron_jobs.wait_until_ready(),
    )?;
    let counts: Vec<Count> = vec![
        Box::new(move || pods.len()),
        Box::new(move || services.len()),
        Box::new(move || deployments.len()),
        Box::new(move || replica_sets.len()),
        Box::new(move || stateful_sets.len()),
        Box::new(move || daemon_sets.len()),
        Box::new(move || jobs.len()),
        Box::new(move || cron_jobs.len()),
    ];
    let objects = || counts.iter().map(|count| count()).sum::<usize>();
    let report = |state: &str, synced: String| {
        println!(
            "{{\"state\":\"{state}\",{synced}\"objects\":{},\"events\":{},\"cpu_ms\":{:.3}}}",
            objects(),
            events.get(),
            cpu_ms()
        );
    };
    report("synced", format!("\"synced_ms\":{:.3},", since_spawn_ms(started)));

    let mut mark = signal(SignalKind::user_defined1())?;
    let mut end = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = mark.recv() => report("mark", String::new()),
            _ = end.recv() => {
                report("end", String::new());
                return Ok(());
            }
        }
    }
}

/// What BENCH_STRIP asks for.
fn choose<K>(drop_large: Strip<K>, keep: Strip<K>) -> Strip<K> {
    match std::env::var("BENCH_STRIP").as_deref() {
        Ok("fields") => keep,
        _ => drop_large,
    }
}

/// Starts one watcher with its store as a task of this thread.
fn follow<K>(client: &Client, events: &Rc<Cell<u64>>, strip: Strip<K>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    K: Send + Sync + 'static,
{
    let writer = Writer::<K>::default();
    let store = writer.as_reader();
    let events = events.clone();
    let stream = watcher(
        Api::<K>::all(client.clone()),
        watcher::Config::default().streaming_lists(),
    )
    .default_backoff()
    .modify(strip);
    let mut reflected = Box::pin(reflector(writer, stream));
    tokio::task::spawn_local(async move {
        while let Some(event) = reflected.next().await {
            match event {
                Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
                Ok(_) => events.set(events.get() + 1),
                Err(error) => eprintln!("{error}"),
            }
        }
    });
    store
}

/// Milliseconds since the bench spawned this process, as it says in BENCH_SPAWNED_AT_MS; else since main began.
fn since_spawn_ms(started: Instant) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match std::env::var("BENCH_SPAWNED_AT_MS")
        .ok()
        .and_then(|at| at.parse::<f64>().ok())
    {
        Some(at) => now.as_secs_f64() * 1000.0 - at,
        None => started.elapsed().as_secs_f64() * 1000.0,
    }
}

/// User and system time of all threads of this process.
fn cpu_ms() -> f64 {
    // SAFETY: getrusage only writes the struct that it is given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let us = |at: libc::timeval| at.tv_sec as f64 * 1e6 + at.tv_usec as f64;
    (us(usage.ru_utime) + us(usage.ru_stime)) / 1000.0
}
