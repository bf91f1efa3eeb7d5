// A careful client-go program: shared informers over protobuf that drop what is large and not read, with indexes by pod,
// host and cluster IP, node, owner and label. With BENCH_STRIP=fields they keep nothing but the fields that Fairlead keeps
// in the same bench. It prints one JSON line when all kinds are synced and one for each SIGUSR1.
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

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
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

	transform := dropLarge
	if os.Getenv("BENCH_STRIP") == "fields" {
		transform = keepFields
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(transform))
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
