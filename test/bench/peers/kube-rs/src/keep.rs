//! Keeps nothing but the fields that Fairlead keeps in the same bench.

use k8s_openapi::api::apps::v1::{
    DaemonSet, DaemonSetStatus, Deployment, DeploymentSpec, DeploymentStatus, ReplicaSet, ReplicaSetSpec,
    ReplicaSetStatus, StatefulSet, StatefulSetSpec, StatefulSetStatus,
};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, Job, JobStatus};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodStatus, Service, ServiceSpec};
use kube::ResourceExt;

/// Drops of the metadata what no one reads: managed fields, annotations, finalizers.
fn keep_meta<K: ResourceExt>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    meta.annotations = None;
    meta.finalizers = None;
    meta.generate_name = None;
}

pub fn pod(pod: &mut Pod) {
    keep_meta(pod);
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

pub fn service(service: &mut Service) {
    keep_meta(service);
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

pub fn deployment(object: &mut Deployment) {
    keep_meta(object);
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

pub fn replica_set(object: &mut ReplicaSet) {
    keep_meta(object);
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

pub fn stateful_set(object: &mut StatefulSet) {
    keep_meta(object);
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

pub fn daemon_set(object: &mut DaemonSet) {
    keep_meta(object);
    object.spec = None;
    if let Some(status) = object.status.take() {
        object.status = Some(DaemonSetStatus {
            desired_number_scheduled: status.desired_number_scheduled,
            number_ready: status.number_ready,
            ..Default::default()
        });
    }
}

pub fn job(object: &mut Job) {
    keep_meta(object);
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

pub fn cron_job(object: &mut CronJob) {
    keep_meta(object);
    object.status = None;
    let spec = std::mem::take(&mut object.spec);
    object.spec = CronJobSpec {
        schedule: spec.schedule,
        suspend: spec.suspend,
        ..Default::default()
    };
}
