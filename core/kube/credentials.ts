import { readFileSync } from "node:fs";
import { codeOf, FairleadError } from "../errors.ts";
import type { ClusterAccess } from "./access.ts";
import type { ExecResult } from "./exec-plugin.ts";

/** What the next request uses: where to connect, and who we are. `version` grows with every change. */
export interface CurrentAccess {
  readonly version: number;
  /** Grows when the connection itself must change: server, CA, client certificate. */
  readonly connectionVersion: number;
  readonly access: ClusterAccess;
  readonly authorization: string | undefined;
  /** Client certificate and key as PEM. */
  readonly certificate: string | undefined;
  readonly key: string | undefined;
}

export interface CredentialOptions {
  /** Milliseconds between looks at a token file. */
  readonly tokenFileEveryMs: number;
  /** Milliseconds between renewals that a 401 may start. */
  readonly renewEveryMs: number;
  readonly now: () => number;
}

/** Expiring credentials are fetched again this long before their end, but not before half of their life is over. */
const EXPIRY_MARGIN_MS = 60_000;

/** Keeps the credentials of one cluster fresh: token files, exec plugins, delegated users, kubeconfigs read anew. */
export class CredentialSource {
  readonly #options: CredentialOptions;
  readonly #stop = new AbortController();
  #access: ClusterAccess;
  #current: CurrentAccess | undefined;
  #tokenReadAt = Number.NEGATIVE_INFINITY;
  #renewAt = Number.POSITIVE_INFINITY;
  #expiresAt = Number.POSITIVE_INFINITY;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #pending: Promise<CurrentAccess> | undefined;

  constructor(access: ClusterAccess, options: CredentialOptions) {
    this.#access = access;
    this.#options = options;
  }

  /** The credentials, if they are at hand; starts their renewal in the background when they soon expire. */
  current(): CurrentAccess | undefined {
    const now = this.#options.now();
    const { credentials } = this.#access;
    if (credentials.tokenFile !== undefined && now - this.#tokenReadAt >= this.#options.tokenFileEveryMs) {
      this.#readTokenFile(credentials.tokenFile, now);
    }
    if (this.#current === undefined && credentials.exec === undefined && credentials.delegated === undefined) {
      this.#adopt(this.#access, {});
    }
    if (now >= this.#renewAt && this.#pending === undefined) {
      // While the old ones still hold, a failed renewal is tried again by the next request.
      this.#fetch().catch(() => {});
    }
    return now < this.#expiresAt ? this.#current : undefined;
  }

  /** The credentials, fetched if need be. KUBE_AUTH when they cannot be had. */
  get(): Promise<CurrentAccess> {
    const current = this.current();
    return current === undefined ? this.#fetch() : Promise.resolve(current);
  }

  /** True when asking again could give something else than before. */
  get renewable(): boolean {
    const { credentials, renew } = this.#access;
    return (
      renew !== undefined ||
      credentials.tokenFile !== undefined ||
      credentials.exec !== undefined ||
      credentials.delegated !== undefined
    );
  }

  /** After a refusal of the credentials of `version`: the newer ones if there are any, else undefined. */
  async renew(version: number): Promise<CurrentAccess | undefined> {
    const now = this.#options.now();
    if (this.#current !== undefined && this.#current.version !== version) {
      return this.#current;
    }
    if (this.#pending === undefined && now - this.#renewedAt < this.#options.renewEveryMs) {
      return undefined;
    }
    this.#renewedAt = now;
    const current = await this.#fetch();
    return current.version === version ? undefined : current;
  }

  /** Stops what is running; resolves when it has ended. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#pending?.catch(() => {});
  }

  #fetch(): Promise<CurrentAccess> {
    this.#pending ??= this.#load().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #load(): Promise<CurrentAccess> {
    let access = this.#access;
    const wanted = this.#current !== undefined && access.renew !== undefined;
    if (wanted && access.renew !== undefined) {
      const { resolveCluster } = await import("./cluster-config.ts");
      access = await resolveCluster(access.renew);
    }
    const { credentials } = access;
    if (credentials.exec !== undefined) {
      const { runExecPlugin } = await import("./exec-plugin.ts");
      return this.#adopt(access, await runExecPlugin(credentials.exec, this.#stop.signal));
    }
    if (credentials.delegated !== undefined) {
      const { askClient } = await import("./delegated-user.ts");
      return this.#adopt(access, await askClient(credentials.delegated, this.#stop.signal));
    }
    this.#access = access;
    if (credentials.tokenFile !== undefined) {
      this.#readTokenFile(credentials.tokenFile, this.#options.now());
      if (this.#current !== undefined) {
        return this.#current;
      }
    }
    return this.#adopt(access, {});
  }

  #readTokenFile(path: string, now: number): void {
    this.#tokenReadAt = now;
    let token: string;
    try {
      token = readFileSync(path, "utf8").trim();
    } catch (error) {
      if (this.#current !== undefined) {
        return; // It may be in the middle of a rotation: the old token is still our best.
      }
      throw new FairleadError("KUBE_AUTH", `cannot read the token file ${path} (${codeOf(error)})`, {
        facts: { path, reason: codeOf(error), origin: this.#access.origin },
      });
    }
    if (token === "" && this.#current !== undefined) {
      return;
    }
    this.#adopt(this.#access, { token });
  }

  #adopt(access: ClusterAccess, result: ExecResult): CurrentAccess {
    const { credentials } = access;
    const certificate = result.certificate ?? credentials.certificate;
    const key = result.key ?? credentials.key;
    const authorization = authorizationOf(result.token ?? credentials.token, access);
    this.#access = access;
    this.#expire(result.expiresAt);
    const before = this.#current;
    const sameConnection =
      before !== undefined &&
      before.certificate === certificate &&
      before.key === key &&
      before.access.server === access.server &&
      before.access.ca === access.ca;
    if (before !== undefined && sameConnection && before.authorization === authorization) {
      return before;
    }
    const connectionVersion = before === undefined ? 0 : before.connectionVersion + (sameConnection ? 0 : 1);
    this.#current = {
      version: (before?.version ?? -1) + 1,
      connectionVersion,
      access,
      authorization,
      certificate,
      key,
    };
    return this.#current;
  }

  #expire(expiresAt: number | undefined): void {
    if (expiresAt === undefined) {
      this.#expiresAt = Number.POSITIVE_INFINITY;
      this.#renewAt = Number.POSITIVE_INFINITY;
      return;
    }
    const now = this.#options.now();
    this.#expiresAt = expiresAt;
    this.#renewAt = Math.max(expiresAt - EXPIRY_MARGIN_MS, now + (expiresAt - now) / 2);
  }
}

function authorizationOf(token: string | undefined, access: ClusterAccess): string | undefined {
  const { username, password } = access.credentials;
  if (token !== undefined && token !== "") {
    // Anything else would not pass as a header, and the error would show it.
    if (!/^[\x21-\x7e]+$/.test(token)) {
      throw new FairleadError(
        "KUBE_AUTH",
        `the token of ${access.origin} has characters that no token has; fetch it again`,
        {
          facts: { origin: access.origin },
        },
      );
    }
    return `Bearer ${token}`;
  }
  if (username !== undefined) {
    return `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}`;
  }
  return undefined;
}
