//! What a careful program writes: away with managed fields and annotations, and in pods and pod templates with what makes
//! them large: environment, volumes, probes, resources, security contexts, tolerations, affinity.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodTemplateSpec, Service};
use kube::ResourceExt;

pub fn pod(object: &mut Pod) {
    metadata(object);
    pod_spec(object.spec.as_mut());
}

pub fn service(object: &mut Service) {
    metadata(object);
}

pub fn deployment(object: &mut Deployment) {
    metadata(object);
    template(object.spec.as_mut().map(|spec| &mut spec.template));
}

pub fn replica_set(object: &mut ReplicaSet) {
    metadata(object);
    template(object.spec.as_mut().and_then(|spec| spec.template.as_mut()));
}

pub fn stateful_set(object: &mut StatefulSet) {
    metadata(object);
    if let Some(spec) = object.spec.as_mut() {
        spec.volume_claim_templates = None;
        template(Some(&mut spec.template));
    }
}

pub fn daemon_set(object: &mut DaemonSet) {
    metadata(object);
    template(object.spec.as_mut().map(|spec| &mut spec.template));
}

pub fn job(object: &mut Job) {
    metadata(object);
    template(object.spec.as_mut().map(|spec| &mut spec.template));
}

pub fn cron_job(object: &mut CronJob) {
    metadata(object);
    template(object.spec.job_template.spec.as_mut().map(|spec| &mut spec.template));
}

fn metadata<K: ResourceExt>(object: &mut K) {
    object.meta_mut().managed_fields = None;
    object.meta_mut().annotations = None;
}

fn template(template: Option<&mut PodTemplateSpec>) {
    if let Some(template) = template {
        if let Some(metadata) = template.metadata.as_mut() {
            metadata.annotations = None;
        }
        pod_spec(template.spec.as_mut());
    }
}

fn pod_spec(spec: Option<&mut PodSpec>) {
    if let Some(spec) = spec {
        spec.volumes = None;
        spec.tolerations = None;
        spec.affinity = None;
        spec.security_context = None;
        containers(&mut spec.containers);
        if let Some(init) = spec.init_containers.as_mut() {
            containers(init);
        }
    }
}

fn containers(containers: &mut [Container]) {
    for container in containers {
        container.env = None;
        container.env_from = None;
        container.volume_mounts = None;
        container.volume_devices = None;
        container.command = None;
        container.args = None;
        container.liveness_probe = None;
        container.readiness_probe = None;
        container.startup_probe = None;
        container.lifecycle = None;
        container.security_context = None;
        container.resources = None;
    }
}
