import {
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { type ObjectInput, testCertificates } from "../../core/testing/index.ts";
import { envelope, messageBytes, watchFrame } from "../../core/testing/protobuf-encode.ts";
import { benchPod, type PodSize } from "./loop-pods.ts";

const CONTENT_TYPE = "application/vnd.kubernetes.protobuf;stream=watch";
/** Stands where a frame gets its version; as long as every version that is sent. */
const VERSION_PLACE = "7070707070";
const FIRST_VERSION = 1_000_000_000;

/** A frame that is ready to be sent but for its version. */
interface Frame {
  readonly bytes: Buffer;
  readonly versionAt: number;
}

/** Each pod's frames: as it comes with the first load, and the two states between which updates change it. */
interface PodFrames {
  readonly added: Frame;
  readonly ready: Frame;
  readonly notReady: Frame;
}

/**
 * Serves pods, and services of which there are none, to one kind of client: a streaming watch in protobuf over HTTP/2 with TLS. All frames are encoded before, so
 * that it keeps any rate; the API server of core/testing encodes 17 KB for each event and does not.
 */
export class PodFeed {
  readonly kubeconfig: string;
  readonly #server: Http2SecureServer;
  readonly #pods: readonly PodFrames[];
  readonly #podsPerSecond: number;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #watches = new Set<ServerHttp2Stream>();
  #version = FIRST_VERSION;
  #next = 0;
  #isReady = true;

  private constructor(
    server: Http2SecureServer,
    caPem: string,
    frames: { readonly pods: readonly PodFrames[]; readonly perSecond: number },
  ) {
    this.#server = server;
    this.#pods = frames.pods;
    this.#podsPerSecond = frames.perSecond;
    // server.address() is text only for pipes.
    this.kubeconfig = kubeconfigOf((server.address() as AddressInfo).port, caPem);
    server.on("session", (session) => {
      this.#sessions.add(session);
      session.on("close", () => this.#sessions.delete(session));
    });
    server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      void this.#serve(stream, String(headers[":path"])); // its failures are the stream's "error"
    });
  }

  /** Encodes the pods and listens on a free port of loopback. Default: they are sent as fast as the client reads. */
  static async start(pods: number, size: PodSize, podsPerSecond = Number.POSITIVE_INFINITY): Promise<PodFeed> {
    const { caPem, certPem, keyPem } = await testCertificates();
    const frames = Array.from({ length: pods }, (_, index) => framesOf(index, size));
    const server = createSecureServer({ cert: certPem, key: keyPem });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new PodFeed(server, caPem, { pods: frames, perSecond: podsPerSecond });
  }

  /** Sends one update to all watches; gives its version. Each pod once before any twice. */
  update(): string {
    const pod = this.#pods[this.#next];
    const bytes = withVersion(this.#isReady ? pod.notReady : pod.ready, ++this.#version);
    for (const watch of this.#watches) {
      watch.write(bytes);
    }
    this.#next++;
    if (this.#next === this.#pods.length) {
      this.#next = 0;
      this.#isReady = !this.#isReady;
    }
    return String(this.#version);
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#sessions) {
      session.destroy();
    }
    await closed;
  }

  async #serve(stream: ServerHttp2Stream, path: string): Promise<void> {
    stream.on("error", () => this.#watches.delete(stream));
    stream.on("close", () => this.#watches.delete(stream));
    const { pathname, searchParams: query } = new URL(path, "https://localhost");
    if (query.get("watch") === null) {
      stream.respond({ ":status": 501, "content-type": "text/plain" });
      stream.end("this feed serves watches only");
      return;
    }
    stream.respond({ ":status": 200, "content-type": CONTENT_TYPE });
    if (pathname.endsWith("/services")) {
      stream.write(this.#endOfInitialEvents("Service"));
      return;
    }
    if (query.get("sendInitialEvents") === "true") {
      await this.#sendAll(stream);
    }
    this.#watches.add(stream);
  }

  /** The objects, then the mark that they were all. No update is made meanwhile, so that none is missed. */
  async #sendAll(stream: ServerHttp2Stream): Promise<void> {
    const startedAtMs = performance.now();
    for (const [sent, pod] of this.#pods.entries()) {
      while (sent > ((performance.now() - startedAtMs) * this.#podsPerSecond) / 1000) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      if (!stream.write(withVersion(pod.added, this.#version))) {
        await new Promise((resolve) => stream.once("drain", resolve));
      }
    }
    stream.write(this.#endOfInitialEvents("Pod"));
  }

  #endOfInitialEvents(kind: "Pod" | "Service"): Buffer {
    const annotations = { "k8s.io/initial-events-end": "true" };
    const metadata = { resourceVersion: String(this.#version), annotations };
    return watchFrame("BOOKMARK", envelope("v1", kind, messageBytes("v1", kind, { metadata })));
  }
}

function framesOf(index: number, size: PodSize): PodFrames {
  const pod = benchPod(index, size);
  return {
    added: frameOf("ADDED", pod, index, "True"),
    ready: frameOf("MODIFIED", pod, index, "True"),
    notReady: frameOf("MODIFIED", pod, index, "False"),
  };
}

function frameOf(type: string, pod: ObjectInput, index: number, ready: string): Frame {
  const uid = `b0d00000-0000-4000-8000-${index.toString(16).padStart(12, "0")}`;
  const header = { uid, resourceVersion: VERSION_PLACE, creationTimestamp: "2026-01-02T03:04:05Z" };
  // A deep copy: a frame changes a condition, and what is encoded must be plain JSON.
  const object = structuredClone({ ...pod, metadata: { ...pod.metadata, ...header } });
  setReady(object, ready);
  // benchPod makes plain JSON, which is what the encoder takes.
  const json = object as unknown as Parameters<typeof messageBytes>[2];
  const bytes = watchFrame(type, envelope("v1", "Pod", messageBytes("v1", "Pod", json)));
  return { bytes, versionAt: bytes.indexOf(VERSION_PLACE) };
}

function setReady(pod: Readonly<Record<string, unknown>>, status: string): void {
  // benchPod gives every pod these conditions.
  const { conditions } = pod.status as { conditions: { type: string; status: string }[] };
  for (const condition of conditions) {
    if (condition.type === "Ready") {
      condition.status = status;
    }
  }
}

/** A copy: the stream holds on to what it was given until it is sent. */
function withVersion(frame: Frame, version: number): Buffer {
  const bytes = Buffer.from(frame.bytes);
  bytes.write(String(version), frame.versionAt, "latin1");
  return bytes;
}

function kubeconfigOf(port: number, caPem: string): string {
  const cluster = {
    server: `https://127.0.0.1:${port}`,
    "certificate-authority-data": Buffer.from(caPem).toString("base64"),
  };
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "feed", cluster }],
    users: [{ name: "feed", user: { token: "feed" } }],
    contexts: [{ name: "feed", context: { cluster: "feed", user: "feed" } }],
    "current-context": "feed",
  });
}
