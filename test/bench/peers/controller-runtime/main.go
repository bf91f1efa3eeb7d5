// A careful controller-runtime program with ten workers and two jobs: BENCH_JOB=noop reconciles every ConfigMap of the
// namespace and does nothing; BENCH_JOB=webapp keeps a Deployment and a Service for every WebApp by server-side apply and its
// status by a patch where it differs. Managed fields are dropped before objects enter the cache. It prints one JSON line when
// every one of BENCH_OBJECTS objects was reconciled and no reconcile has begun for a while, and one for each SIGUSR1.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const workers = 10

// What the bench reads, one object a line.
type line struct {
	State    string  `json:"state"`
	SyncedMs float64 `json:"synced_ms,omitempty"`
	Objects  int     `json:"objects"`
	// Reconciles so far.
	Events int64   `json:"events"`
	CPUMs  float64 `json:"cpu_ms"`
}

var started = time.Now()

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	objects, err := strconv.Atoi(os.Getenv("BENCH_OBJECTS"))
	if err != nil {
		return fmt.Errorf("BENCH_OBJECTS is no number: %w", err)
	}
	quiet, err := time.ParseDuration(os.Getenv("BENCH_QUIET"))
	if err != nil {
		return fmt.Errorf("BENCH_QUIET is no duration: %w", err)
	}
	ctrl.SetLogger(logr.Discard())
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	// As ctrl.GetConfig has it: the API server's own fairness is the limit.
	config.QPS = -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, addWebApps} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: metricsserver.Options{BindAddress: "0"},
		Cache: cache.Options{
			DefaultTransform:  cache.TransformStripManagedFields(),
			DefaultNamespaces: map[string]cache.Config{os.Getenv("BENCH_NAMESPACE"): {}},
		},
	})
	if err != nil {
		return err
	}
	tally := &tally{seen: make(map[types.NamespacedName]struct{}, objects)}
	if err := addController(manager, tally); err != nil {
		return err
	}

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()

	converged := make(chan time.Time, 1)
	go func() { converged <- tally.until(objects, quiet) }()
	for {
		select {
		case err := <-ended:
			return err
		case at := <-converged:
			tally.report("synced", sinceSpawnMs(at))
		case got := <-signals:
			if got == syscall.SIGTERM {
				cancel()
				tally.report("end", 0)
				return <-ended
			}
			tally.report("mark", 0)
		}
	}
}

func addController(manager ctrl.Manager, tally *tally) error {
	options := controller.Options{MaxConcurrentReconciles: workers}
	switch job := os.Getenv("BENCH_JOB"); job {
	case "noop":
		return ctrl.NewControllerManagedBy(manager).For(&corev1.ConfigMap{}).WithOptions(options).
			Complete(tally.counting(noop{manager.GetClient()}))
	case "webapp":
		return ctrl.NewControllerManagedBy(manager).For(&WebApp{}).
			Owns(&appsv1.Deployment{}).Owns(&corev1.Service{}).WithOptions(options).
			Complete(tally.counting(webapps{manager.GetClient()}))
	default:
		return fmt.Errorf("BENCH_JOB %q is neither noop nor webapp", job)
	}
}

// Reads the object, as every reconciler does, and is content.
type noop struct{ client client.Client }

func (n noop) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var object corev1.ConfigMap
	return reconcile.Result{}, client.IgnoreNotFound(n.client.Get(ctx, request.NamespacedName, &object))
}

// Counts reconciles, and the objects that were reconciled without an error.
type tally struct {
	mutex   sync.Mutex
	seen    map[types.NamespacedName]struct{}
	last    time.Time
	running int
	count   atomic.Int64
	failed  sync.Once
}

func (t *tally) counting(inner reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		t.count.Add(1)
		t.mutex.Lock()
		t.running++
		t.mutex.Unlock()
		result, err := inner.Reconcile(ctx, request)
		t.mutex.Lock()
		defer t.mutex.Unlock()
		t.running--
		t.last = time.Now()
		if err == nil {
			t.seen[request.NamespacedName] = struct{}{}
		} else {
			// The bench shows the end of what is said here when nothing else comes.
			t.failed.Do(func() { fmt.Fprintln(os.Stderr, "a reconcile failed first with:", err) })
		}
		return result, err
	})
}

// The end of the last reconcile, once all objects were seen and nothing has happened for so long.
func (t *tally) until(objects int, quiet time.Duration) time.Time {
	for {
		time.Sleep(5 * time.Millisecond)
		t.mutex.Lock()
		last, done := t.last, len(t.seen) >= objects && t.running == 0
		t.mutex.Unlock()
		if done && time.Since(last) >= quiet {
			return last
		}
	}
}

func (t *tally) report(state string, syncedMs float64) {
	t.mutex.Lock()
	objects := len(t.seen)
	t.mutex.Unlock()
	out, _ := json.Marshal(line{state, syncedMs, objects, t.count.Load(), cpuMs()})
	fmt.Println(string(out))
}

// Milliseconds from the moment the bench spawned this process, as it says in BENCH_SPAWNED_AT_MS; else since main was set up.
func sinceSpawnMs(at time.Time) float64 {
	spawned, err := strconv.ParseFloat(os.Getenv("BENCH_SPAWNED_AT_MS"), 64)
	if err != nil {
		return float64(at.Sub(started).Microseconds()) / 1000
	}
	return float64(at.UnixMicro())/1000 - spawned
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
