// A candidate for a lease, as controllers in Go are: client-go's leader election. While it leads it writes to a journal, a
// ConfigMap, as fast as it is told to. Ends by SIGTERM, and gives the lease away.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "")
	namespace := flag.String("namespace", "", "")
	lease := flag.String("lease", "", "")
	journal := flag.String("journal", "", "")
	identity := flag.String("identity", "", "")
	duration := flag.Duration("duration", 15*time.Second, "")
	deadline := flag.Duration("deadline", 10*time.Second, "")
	period := flag.Duration("period", 2*time.Second, "")
	every := flag.Duration("every", 50*time.Millisecond, "")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	check(err)
	config.UserAgent = "lease-candidate"
	config.QPS = -1
	writer, err := kubernetes.NewForConfig(config)
	check(err)
	config.Timeout = *deadline / 2
	elector, err := kubernetes.NewForConfig(config)
	check(err)

	told, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	patch := []byte(fmt.Sprintf(`{"data":{"holder":%q}}`, *identity))
	for told.Err() == nil {
		// The work ends before the lease is given away, as client-go asks of those who release.
		electing, stopElecting := context.WithCancel(context.Background())
		var working sync.WaitGroup
		go func() {
			<-told.Done()
			working.Wait()
			stopElecting()
		}()
		leaderelection.RunOrDie(electing, leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Namespace: *namespace, Name: *lease},
				Client:     elector.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: *identity},
			},
			LeaseDuration:   *duration,
			RenewDeadline:   *deadline,
			RetryPeriod:     *period,
			ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(leading context.Context) {
					working.Add(1)
					defer working.Done()
					for leading.Err() == nil && told.Err() == nil {
						_, err := writer.CoreV1().ConfigMaps(*namespace).Patch(leading, *journal, types.MergePatchType, patch, metav1.PatchOptions{})
						if err != nil && leading.Err() == nil {
							fmt.Fprintln(os.Stderr, err)
						}
						time.Sleep(*every)
					}
				},
				OnStoppedLeading: func() {},
			},
		})
		working.Wait()
		stopElecting()
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
