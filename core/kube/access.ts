/** Where a cluster is described. All forms optional; nothing at all means: KUBECONFIG, `~/.kube/config`, in-cluster. */
export interface ClusterSource {
  /** A kubeconfig: its path, or its text (YAML or JSON; relative paths in it count from the working folder). */
  readonly kubeconfig?: string | { readonly text: string };
  /** Context to take. Default: `current-context`. */
  readonly context?: string;
  /** Only the service account of this pod. Default false. */
  readonly inCluster?: boolean;
  /** Address of the API server, for a connection described without a kubeconfig: `https://host:port[/prefix]`. */
  readonly server?: string;
  /** CA certificates as PEM. Default: the roots that Node trusts. */
  readonly ca?: string;
  readonly token?: string;
  /** A file with the token, read again every minute. */
  readonly tokenFile?: string;
  /** Client certificate and its key as PEM. */
  readonly certificate?: string;
  readonly key?: string;
  /** Name that the server's certificate must carry. Default: the host of `server`. */
  readonly tlsServerName?: string;
  /** Accept any certificate; warned about once per connection. Default false. */
  readonly insecureSkipTlsVerify?: boolean;
  /** `http://` or `https://` proxy. Default: HTTPS_PROXY / HTTP_PROXY / NO_PROXY. */
  readonly proxyUrl?: string;
}

/** A program that prints an ExecCredential (the `exec` user of a kubeconfig). */
export interface ExecSpec {
  /** `client.authentication.k8s.io/v1`, `/v1beta1` or `/v1alpha1`. */
  readonly apiVersion: string;
  /** A name looked up in PATH, or an absolute path. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly installHint?: string;
  readonly interactiveMode: "Never" | "IfAvailable" | "Always";
  /** What the program may know of the cluster; only with `provideClusterInfo`. */
  readonly cluster?: Readonly<Record<string, unknown>>;
}

/** A kubeconfig user that the official client must resolve (OIDC, auth-provider), in a child process. */
export interface DelegatedUser {
  readonly source: { readonly files: readonly string[] } | { readonly text: string };
  readonly context: string;
}

/** How to prove who we are; at most one of token, tokenFile, username, exec and delegated is in use. */
export interface AccessCredentials {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM. */
  readonly certificate?: string;
  /** PEM. */
  readonly key?: string;
  readonly exec?: ExecSpec;
  readonly delegated?: DelegatedUser;
}

/** Act as somebody else. */
export interface Impersonation {
  readonly user: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/**
 * All that is needed to reach and prove ourselves to one API server. Plain data: it can be posted to a thread.
 * Holds secrets: never log it.
 */
export interface ClusterAccess {
  /** `https://host:port[/prefix]` without a slash at the end. */
  readonly server: string;
  /** CA certificates as PEM; undefined: the roots that Node trusts. */
  readonly ca?: string;
  readonly tlsServerName?: string;
  readonly insecureSkipTlsVerify: boolean;
  /** The proxy to use, environment already considered; may carry a password. */
  readonly proxyUrl?: string;
  readonly credentials: AccessCredentials;
  readonly impersonate?: Impersonation;
  /** Namespace of the context or of the service account. */
  readonly namespace?: string;
  /** Where this came from, for messages: `context "a" of /home/me/.kube/config`. */
  readonly origin: string;
  /** Resolve this again when the server refuses the credentials. */
  readonly renew?: ClusterSource;
}
