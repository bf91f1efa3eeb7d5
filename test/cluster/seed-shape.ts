/** Sizes of a seeded cluster. */
export type Shape = "small" | "seed" | "large";

/** How many of each are made. Pods come from the controllers. */
export interface ShapeCounts {
  readonly nodes: number;
  readonly namespaces: number;
  readonly deployments: number;
  /** Sum of the replicas of all deployments. */
  readonly deploymentPods: number;
  readonly services: number;
  /** Two pods each. */
  readonly statefulSets: number;
  /** Each on `daemonNodes` nodes. */
  readonly daemonSets: number;
  readonly daemonNodes: number;
  /** One pod each, which completes. */
  readonly jobs: number;
  readonly cronJobs: number;
}

/**
 * The shapes: "small" for tests, "seed" the cluster that benches are measured on, "large" beyond it.
 * Services include those of the stateful sets, not the one of the API server.
 */
export const SHAPES: Readonly<Record<Shape, ShapeCounts>> = {
  small: {
    nodes: 3,
    namespaces: 3,
    deployments: 5,
    deploymentPods: 8,
    services: 6,
    statefulSets: 1,
    daemonSets: 1,
    daemonNodes: 1,
    jobs: 1,
    cronJobs: 1,
  },
  seed: {
    nodes: 53,
    namespaces: 40,
    deployments: 1_795,
    deploymentPods: 4_092,
    services: 3_323,
    statefulSets: 5,
    daemonSets: 2,
    daemonNodes: 3,
    jobs: 4,
    cronJobs: 4,
  },
  large: {
    nodes: 250,
    namespaces: 80,
    deployments: 5_000,
    deploymentPods: 20_000,
    services: 6_000,
    statefulSets: 20,
    daemonSets: 2,
    daemonNodes: 10,
    jobs: 20,
    cronJobs: 20,
  },
};

/** Pods that a shape has when all controllers are done, completed ones included. */
export function podsOf(counts: ShapeCounts): number {
  return counts.deploymentPods + 2 * counts.statefulSets + counts.daemonSets * counts.daemonNodes + counts.jobs;
}

/** Replicas of each deployment: most have one to three, a few many, and the sum is exactly what the shape says. */
export function replicasOf(counts: ShapeCounts, at: number): number {
  const perDeployment = counts.deploymentPods / counts.deployments;
  return Math.floor((at + 1) * perDeployment) - Math.floor(at * perDeployment);
}
