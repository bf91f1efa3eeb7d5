package main

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// dropLarge is what a careful program writes: away with managed fields and annotations, and in pods and pod templates with
// what makes them large: environment, volumes, probes, resources, security contexts, tolerations, affinity.
func dropLarge(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return object, nil
	}
	accessor.SetManagedFields(nil)
	accessor.SetAnnotations(nil)
	switch o := object.(type) {
	case *corev1.Pod:
		dropLargeSpec(&o.Spec)
	case *appsv1.Deployment:
		dropLargeTemplate(&o.Spec.Template)
	case *appsv1.ReplicaSet:
		dropLargeTemplate(&o.Spec.Template)
	case *appsv1.StatefulSet:
		dropLargeTemplate(&o.Spec.Template)
		o.Spec.VolumeClaimTemplates = nil
	case *appsv1.DaemonSet:
		dropLargeTemplate(&o.Spec.Template)
	case *batchv1.Job:
		dropLargeTemplate(&o.Spec.Template)
	case *batchv1.CronJob:
		dropLargeTemplate(&o.Spec.JobTemplate.Spec.Template)
	}
	return object, nil
}

func dropLargeTemplate(template *corev1.PodTemplateSpec) {
	template.Annotations = nil
	dropLargeSpec(&template.Spec)
}

func dropLargeSpec(spec *corev1.PodSpec) {
	spec.Volumes, spec.Tolerations, spec.Affinity, spec.SecurityContext = nil, nil, nil, nil
	dropLargeContainers(spec.Containers)
	dropLargeContainers(spec.InitContainers)
}

func dropLargeContainers(containers []corev1.Container) {
	for i := range containers {
		c := &containers[i]
		c.Env, c.EnvFrom, c.VolumeMounts, c.VolumeDevices, c.Command, c.Args = nil, nil, nil, nil, nil, nil
		c.LivenessProbe, c.ReadinessProbe, c.StartupProbe, c.Lifecycle, c.SecurityContext = nil, nil, nil, nil, nil
		c.Resources = corev1.ResourceRequirements{}
	}
}

// keepFields keeps name, namespace, uid, version, labels, owners and deletion of every kind, and per kind what is listed below; runs
// before the object enters the store, so that the rest can be freed.
func keepFields(object any) (any, error) {
	switch o := object.(type) {
	case *corev1.Pod:
		return stripPod(o), nil
	case *corev1.Service:
		spec := corev1.ServiceSpec{ClusterIP: o.Spec.ClusterIP, ClusterIPs: o.Spec.ClusterIPs, Type: o.Spec.Type, Ports: o.Spec.Ports, Selector: o.Spec.Selector}
		return &corev1.Service{ObjectMeta: metaOf(&o.ObjectMeta), Spec: spec}, nil
	case *appsv1.Deployment:
		return &appsv1.Deployment{ObjectMeta: metaOf(&o.ObjectMeta), Spec: appsv1.DeploymentSpec{Replicas: o.Spec.Replicas},
			Status: appsv1.DeploymentStatus{Replicas: o.Status.Replicas, ReadyReplicas: o.Status.ReadyReplicas}}, nil
	case *appsv1.ReplicaSet:
		return &appsv1.ReplicaSet{ObjectMeta: metaOf(&o.ObjectMeta), Spec: appsv1.ReplicaSetSpec{Replicas: o.Spec.Replicas},
			Status: appsv1.ReplicaSetStatus{Replicas: o.Status.Replicas, ReadyReplicas: o.Status.ReadyReplicas}}, nil
	case *appsv1.StatefulSet:
		return &appsv1.StatefulSet{ObjectMeta: metaOf(&o.ObjectMeta), Spec: appsv1.StatefulSetSpec{Replicas: o.Spec.Replicas},
			Status: appsv1.StatefulSetStatus{Replicas: o.Status.Replicas, ReadyReplicas: o.Status.ReadyReplicas}}, nil
	case *appsv1.DaemonSet:
		return &appsv1.DaemonSet{ObjectMeta: metaOf(&o.ObjectMeta),
			Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: o.Status.DesiredNumberScheduled, NumberReady: o.Status.NumberReady}}, nil
	case *batchv1.Job:
		return &batchv1.Job{ObjectMeta: metaOf(&o.ObjectMeta), Status: batchv1.JobStatus{Active: o.Status.Active, Succeeded: o.Status.Succeeded, Failed: o.Status.Failed}}, nil
	case *batchv1.CronJob:
		return &batchv1.CronJob{ObjectMeta: metaOf(&o.ObjectMeta), Spec: batchv1.CronJobSpec{Schedule: o.Spec.Schedule, Suspend: o.Spec.Suspend}}, nil
	}
	return object, nil
}

func stripPod(o *corev1.Pod) *corev1.Pod {
	containers := make([]corev1.Container, len(o.Spec.Containers))
	for i := range o.Spec.Containers {
		containers[i].Name, containers[i].Image = o.Spec.Containers[i].Name, o.Spec.Containers[i].Image
	}
	pod := &corev1.Pod{
		ObjectMeta: metaOf(&o.ObjectMeta),
		Spec:       corev1.PodSpec{NodeName: o.Spec.NodeName, Containers: containers},
		Status:     corev1.PodStatus{Phase: o.Status.Phase, PodIP: o.Status.PodIP, PodIPs: o.Status.PodIPs, HostIP: o.Status.HostIP},
	}
	for i := range o.Status.Conditions {
		if o.Status.Conditions[i].Type == corev1.PodReady {
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: o.Status.Conditions[i].Status}}
		}
	}
	return pod
}

func metaOf(m *metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion, Labels: m.Labels,
		OwnerReferences: m.OwnerReferences, CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
	}
}
