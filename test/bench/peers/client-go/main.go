// A careful client-go program: shared informers over protobuf that keep only what the bench asks for, with indexes by
// pod, host and cluster IP, node, owner and label. It prints one JSON line when all kinds are synced and one for each SIGUSR1.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

var started = time.Now()

// What the bench reads, one object a line.
type line struct {
	State    string  `json:"state"`
	SyncedMs float64 `json:"synced_ms,omitempty"`
	Objects  int     `json:"objects"`
	Events   int64   `json:"events"`
	CPUMs    float64 `json:"cpu_ms"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.QPS, config.Burst = 100, 200
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}

	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(strip))
	watched := []cache.SharedIndexInformer{
		factory.Core().V1().Pods().Informer(),
		factory.Core().V1().Services().Informer(),
		factory.Apps().V1().Deployments().Informer(),
		factory.Apps().V1().ReplicaSets().Informer(),
		factory.Apps().V1().StatefulSets().Informer(),
		factory.Apps().V1().DaemonSets().Informer(),
		factory.Batch().V1().Jobs().Informer(),
		factory.Batch().V1().CronJobs().Informer(),
	}
	var events atomic.Int64
	count := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { events.Add(1) },
		UpdateFunc: func(any, any) { events.Add(1) },
		DeleteFunc: func(any) { events.Add(1) },
	}
	synced := make([]cache.InformerSynced, 0, len(watched))
	for i, informer := range watched {
		indexers := cache.Indexers{"owner": byOwner, "label": byLabel}
		switch i {
		case 0:
			indexers["ip"], indexers["hostIP"], indexers["node"] = byPodIP, byHostIP, byNode
		case 1:
			indexers["ip"] = byClusterIP
		}
		if err := informer.AddIndexers(indexers); err != nil {
			return err
		}
		registration, err := informer.AddEventHandler(count)
		if err != nil {
			return err
		}
		synced = append(synced, registration.HasSynced)
	}

	report := func(state string, syncedMs float64) {
		objects := 0
		for _, informer := range watched {
			objects += len(informer.GetStore().ListKeys())
		}
		out, _ := json.Marshal(line{state, syncedMs, objects, events.Load(), cpuMs()})
		fmt.Println(string(out))
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGTERM)
	stop := make(chan struct{})
	factory.Start(stop)
	// WaitForCacheSync polls every 100 ms; that would round the time to sync up by as much.
	for _, done := range synced {
		for !done() {
			time.Sleep(time.Millisecond)
		}
	}
	report("synced", sinceSpawnMs())

	for got := range signals {
		if got == syscall.SIGTERM {
			close(stop)
			report("end", 0)
			return nil
		}
		report("mark", 0)
	}
	return nil
}

// Milliseconds since the bench spawned this process, as it says in BENCH_SPAWNED_AT_MS; else since main's package was set up.
func sinceSpawnMs() float64 {
	at, err := strconv.ParseFloat(os.Getenv("BENCH_SPAWNED_AT_MS"), 64)
	if err != nil {
		return float64(time.Since(started).Microseconds()) / 1000
	}
	return float64(time.Now().UnixMicro())/1000 - at
}

// User and system time of all threads of this process.
func cpuMs() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	us := (usage.Utime.Sec+usage.Stime.Sec)*1e6 + usage.Utime.Usec + usage.Stime.Usec
	return float64(us) / 1000
}

func byOwner(object any) ([]string, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, err
	}
	owners := accessor.GetOwnerReferences()
	keys := make([]string, len(owners))
	for i := range owners {
		keys[i] = string(owners[i].UID)
	}
	return keys, nil
}

func byLabel(object any) ([]string, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, err
	}
	labels := accessor.GetLabels()
	keys := make([]string, 0, len(labels))
	for name, value := range labels {
		keys = append(keys, name+"="+value)
	}
	return keys, nil
}

func byPodIP(object any) ([]string, error) {
	pod := object.(*corev1.Pod)
	keys := make([]string, len(pod.Status.PodIPs))
	for i := range pod.Status.PodIPs {
		keys[i] = pod.Status.PodIPs[i].IP
	}
	return keys, nil
}

func byHostIP(object any) ([]string, error) {
	pod := object.(*corev1.Pod)
	if pod.Status.HostIP == "" {
		return nil, nil
	}
	return []string{pod.Status.HostIP}, nil
}

func byNode(object any) ([]string, error) {
	pod := object.(*corev1.Pod)
	if pod.Spec.NodeName == "" {
		return nil, nil
	}
	return []string{pod.Spec.NodeName}, nil
}

func byClusterIP(object any) ([]string, error) {
	service := object.(*corev1.Service)
	if service.Spec.ClusterIP == "" {
		return nil, nil
	}
	return []string{service.Spec.ClusterIP}, nil
}

// Keeps name, namespace, uid, version, labels, owners and deletion of every kind, and per kind what is listed below; runs
// before the object enters the store, so that the rest can be freed.
func strip(object any) (any, error) {
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
