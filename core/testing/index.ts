export { type ApiServer, type ApiServerOptions, createApiServer } from "./api-server.ts";
export type { Rule, User } from "./auth.ts";
export { type TestCertificates, testCertificates } from "./certificates.ts";
export { type Clock, type ManualClock, manualClock, realClock } from "./clock.ts";
export { type ConformanceOptions, conformance } from "./conformance.ts";
export { definitionsOf } from "./definitions.ts";
export {
  type FakeCluster,
  type FakeClusterOptions,
  fakeCluster,
  type SentWrite,
} from "./fake-cluster.ts";
export type { Named, ObjectName as ObjectByName, TestClient } from "./fake-cluster-client.ts";
export type { DeploymentFate } from "./fake-control-plane.ts";
export type { ActiveFault, Fault, FaultMatch, Faults } from "./faults.ts";
export { type Harness, type HarnessOptions, harness, type ObjectName } from "./harness.ts";
export type { LogLine } from "./harness-log.ts";
export type { RecordedEvent, RecordedVote, RecordedWrite } from "./harness-records.ts";
export { type Simulation, type SimulationOptions, simulate } from "./living-cluster.ts";
export type { ObjectInput, StoredObject } from "./object.ts";
export type { ObjectReference, Objects } from "./objects.ts";
export {
  configMap,
  cronJob,
  daemonSet,
  deployment,
  job,
  namespace,
  node,
  pod,
  replicaSet,
  type SampleMetadata,
  type SampleNode,
  type SamplePod,
  type SampleService,
  type SampleWorkload,
  service,
  statefulSet,
} from "./objects-sample.ts";
export { type Random, seededRandom } from "./random.ts";
export type { LoggedRequest, RequestFilter, RequestLog } from "./request-log.ts";
export type { Snapshot } from "./storage.ts";
export type { Behaviour } from "./world.ts";
