package main

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	acappsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
	accorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	acmetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

var webAppVersion = schema.GroupVersion{Group: "bench.example.org", Version: "v1"}

// WebApp is the custom resource of the bench: the same fields as the one of Fairlead's program.
type WebApp struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              WebAppSpec   `json:"spec"`
	Status            WebAppStatus `json:"status,omitempty"`
}

// WebAppSpec is what is wanted.
type WebAppSpec struct {
	Image    string `json:"image"`
	Replicas int32  `json:"replicas"`
	Port     int32  `json:"port"`
}

// WebAppStatus is what is there.
type WebAppStatus struct {
	ReadyReplicas      int32              `json:"readyReplicas"`
	ObservedGeneration int64              `json:"observedGeneration"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

// WebAppList is a list of them.
type WebAppList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []WebApp `json:"items"`
}

// DeepCopyObject is what the scheme asks for.
func (w *WebApp) DeepCopyObject() runtime.Object {
	copied := *w
	w.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	copied.Status.Conditions = make([]metav1.Condition, len(w.Status.Conditions))
	for i := range w.Status.Conditions {
		w.Status.Conditions[i].DeepCopyInto(&copied.Status.Conditions[i])
	}
	return &copied
}

// DeepCopyObject is what the scheme asks for.
func (l *WebAppList) DeepCopyObject() runtime.Object {
	copied := *l
	l.ListMeta.DeepCopyInto(&copied.ListMeta)
	copied.Items = make([]WebApp, len(l.Items))
	for i := range l.Items {
		copied.Items[i] = *l.Items[i].DeepCopyObject().(*WebApp)
	}
	return &copied
}

func addWebApps(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(webAppVersion, &WebApp{}, &WebAppList{})
	metav1.AddToGroupVersion(scheme, webAppVersion)
	return nil
}

type webapps struct{ client client.Client }

// Reconcile applies both children, as controllers in Go that use server-side apply do, and writes a status that differs.
func (w webapps) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var app WebApp
	if err := w.client.Get(ctx, request.NamespacedName, &app); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	own := client.FieldOwner("webapp")
	if err := w.client.Apply(ctx, deploymentFor(&app), own, client.ForceOwnership); err != nil {
		return reconcile.Result{}, err
	}
	if err := w.client.Apply(ctx, serviceFor(&app), own, client.ForceOwnership); err != nil {
		return reconcile.Result{}, err
	}
	var deployment appsv1.Deployment
	ready := int32(0)
	if err := w.client.Get(ctx, request.NamespacedName, &deployment); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, err
	} else if err == nil {
		ready = deployment.Status.ReadyReplicas
	}
	before := app.DeepCopyObject().(*WebApp)
	app.Status.ReadyReplicas, app.Status.ObservedGeneration = ready, app.Generation
	available := metav1.Condition{Type: "Available", Status: metav1.ConditionFalse, Reason: "NoReplicas", ObservedGeneration: app.Generation}
	if ready > 0 {
		available.Status, available.Reason = metav1.ConditionTrue, "ReplicasReady"
	}
	meta.SetStatusCondition(&app.Status.Conditions, available)
	if equality.Semantic.DeepEqual(before.Status, app.Status) {
		return reconcile.Result{}, nil
	}
	return reconcile.Result{}, w.client.Status().Patch(ctx, &app, client.MergeFrom(before))
}

func ownerOf(app *WebApp) *acmetav1.OwnerReferenceApplyConfiguration {
	return acmetav1.OwnerReference().WithAPIVersion(webAppVersion.String()).WithKind("WebApp").
		WithName(app.Name).WithUID(app.UID).WithController(true).WithBlockOwnerDeletion(true)
}

func deploymentFor(app *WebApp) *acappsv1.DeploymentApplyConfiguration {
	labels := map[string]string{"app.kubernetes.io/name": app.Name}
	container := accorev1.Container().WithName("app").WithImage(app.Spec.Image).
		WithPorts(accorev1.ContainerPort().WithName("http").WithContainerPort(app.Spec.Port))
	return acappsv1.Deployment(app.Name, app.Namespace).WithLabels(labels).WithOwnerReferences(ownerOf(app)).
		WithSpec(acappsv1.DeploymentSpec().WithReplicas(app.Spec.Replicas).
			WithSelector(acmetav1.LabelSelector().WithMatchLabels(labels)).
			WithTemplate(accorev1.PodTemplateSpec().WithLabels(labels).WithSpec(accorev1.PodSpec().WithContainers(container))))
}

func serviceFor(app *WebApp) *accorev1.ServiceApplyConfiguration {
	labels := map[string]string{"app.kubernetes.io/name": app.Name}
	port := accorev1.ServicePort().WithName("http").WithPort(80).WithTargetPort(intstr.FromString("http"))
	return accorev1.Service(app.Name, app.Namespace).WithLabels(labels).WithOwnerReferences(ownerOf(app)).
		WithSpec(accorev1.ServiceSpec().WithSelector(labels).WithPorts(port))
}
