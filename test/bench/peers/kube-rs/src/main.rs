//! A careful kube-rs program: streaming lists into reflector stores on a single-threaded runtime, keeping only what the
//! bench asks for. kube-rs stores have no indexes. It prints one JSON line when all kinds are synced and one for each
//! SIGUSR1.

use std::cell::Cell;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use k8s_openapi::api::apps::v1::{
    DaemonSet, DaemonSetStatus, Deployment, DeploymentSpec, DeploymentStatus, ReplicaSet, ReplicaSetSpec,
    ReplicaSetStatus, StatefulSet, StatefulSetSpec, StatefulSetStatus,
};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, Job, JobStatus};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodStatus, Service, ServiceSpec};
use kube::runtime::reflector::{Lookup, Store, store::Writer};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Resource, ResourceExt};
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
    let pods = follow::<Pod>(&client, &events, strip_pod);
    let services = follow::<Service>(&client, &events, strip_service);
    let deployments = follow::<Deployment>(&client, &events, strip_deployment);
    let replica_sets = follow::<ReplicaSet>(&client, &events, strip_replica_set);
    let stateful_sets = follow::<StatefulSet>(&client, &events, strip_stateful_set);
    let daemon_sets = follow::<DaemonSet>(&client, &events, strip_daemon_set);
    let jobs = follow::<Job>(&client, &events, strip_job);
    let cron_jobs = follow::<CronJob>(&client, &events, strip_cron_job);

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

/// Drops of the metadata what no one reads: managed fields, annotations, finalizers.
fn strip_meta<K: ResourceExt>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    meta.annotations = None;
    meta.finalizers = None;
    meta.generate_name = None;
}

fn strip_pod(pod: &mut Pod) {
    strip_meta(pod);
    if let Some(spec) = pod.spec.take() {
        let containers = spec
            .containers
            .into_iter()
            .map(|container| Container {
                name: container.name,
                image: container.image,
                ..Default::default()
            })
            .collect();
        pod.spec = Some(PodSpec {
            node_name: spec.node_name,
            containers,
            ..Default::default()
        });
    }
    if let Some(status) = pod.status.take() {
        let conditions = status.conditions.map(|all| {
            all.into_iter()
                .filter(|condition| condition.type_ == "Ready")
                .map(|mut condition| {
                    condition.message = None;
                    condition.reason = None;
                    condition
                })
                .collect()
        });
        pod.status = Some(PodStatus {
            phase: status.phase,
            pod_ip: status.pod_ip,
            pod_ips: status.pod_ips,
            host_ip: status.host_ip,
            conditions,
            ..Default::default()
        });
    }
}

fn strip_service(service: &mut Service) {
    strip_meta(service);
    service.status = None;
    if let Some(spec) = service.spec.take() {
        service.spec = Some(ServiceSpec {
            cluster_ip: spec.cluster_ip,
            cluster_ips: spec.cluster_ips,
            type_: spec.type_,
            ports: spec.ports,
            selector: spec.selector,
            ..Default::default()
        });
    }
}

fn strip_deployment(object: &mut Deployment) {
    strip_meta(object);
    if let Some(spec) = object.spec.take() {
        object.spec = Some(DeploymentSpec {
            replicas: spec.replicas,
            ..Default::default()
        });
    }
    if let Some(status) = object.status.take() {
        let (replicas, ready_replicas) = (status.replicas, status.ready_replicas);
        object.status = Some(DeploymentStatus {
            replicas,
            ready_replicas,
            ..Default::default()
        });
    }
}

fn strip_replica_set(object: &mut ReplicaSet) {
    strip_meta(object);
    if let Some(spec) = object.spec.take() {
        object.spec = Some(ReplicaSetSpec {
            replicas: spec.replicas,
            ..Default::default()
        });
    }
    if let Some(status) = object.status.take() {
        let (replicas, ready_replicas) = (status.replicas, status.ready_replicas);
        object.status = Some(ReplicaSetStatus {
            replicas,
            ready_replicas,
            ..Default::default()
        });
    }
}

fn strip_stateful_set(object: &mut StatefulSet) {
    strip_meta(object);
    if let Some(spec) = object.spec.take() {
        object.spec = Some(StatefulSetSpec {
            replicas: spec.replicas,
            ..Default::default()
        });
    }
    if let Some(status) = object.status.take() {
        let (replicas, ready_replicas) = (status.replicas, status.ready_replicas);
        object.status = Some(StatefulSetStatus {
            replicas,
            ready_replicas,
            ..Default::default()
        });
    }
}

fn strip_daemon_set(object: &mut DaemonSet) {
    strip_meta(object);
    object.spec = None;
    if let Some(status) = object.status.take() {
        object.status = Some(DaemonSetStatus {
            desired_number_scheduled: status.desired_number_scheduled,
            number_ready: status.number_ready,
            ..Default::default()
        });
    }
}

fn strip_job(object: &mut Job) {
    strip_meta(object);
    object.spec = None;
    if let Some(status) = object.status.take() {
        let (active, succeeded, failed) = (status.active, status.succeeded, status.failed);
        object.status = Some(JobStatus {
            active,
            succeeded,
            failed,
            ..Default::default()
        });
    }
}

fn strip_cron_job(object: &mut CronJob) {
    strip_meta(object);
    object.status = None;
    let spec = std::mem::take(&mut object.spec);
    object.spec = CronJobSpec {
        schedule: spec.schedule,
        suspend: spec.suspend,
        ..Default::default()
    };
}
