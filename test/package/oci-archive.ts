import { execFileSync } from "node:child_process";
import { FairleadError } from "../../core/errors.ts";

/** What an OCI archive says of its image. */
export interface ArchiveFacts {
  /** "sha256:…" of the manifest. */
  readonly digest: string;
  /** All layers, compressed. */
  readonly compressedBytes: number;
}

/** The configuration of an image, as far as we look at it. */
export interface ImageConfig {
  readonly architecture: string;
  readonly created: string;
  readonly config: {
    readonly User?: string;
    readonly Env?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly Labels?: Readonly<Record<string, string>>;
  };
}

interface Blob {
  readonly digest: string;
  readonly size: number;
}

/** Reads the digest and the size of the one image in an OCI archive. Throws IMAGE_BAD_ARCHIVE. */
export function readArchive(archive: string): ArchiveFacts {
  const { digest, manifest } = manifestOf(archive);
  return { digest, compressedBytes: manifest.layers.reduce((sum, layer) => sum + layer.size, 0) };
}

/** Reads the configuration of the image in an OCI archive. */
export function readImageConfig(archive: string): ImageConfig {
  return JSON.parse(fileIn(archive, blobPath(manifestOf(archive).manifest.config.digest)));
}

function manifestOf(archive: string): {
  readonly digest: string;
  readonly manifest: { readonly config: Blob; readonly layers: readonly Blob[] };
} {
  const manifests: readonly Blob[] = JSON.parse(fileIn(archive, "index.json")).manifests;
  if (manifests.length !== 1) {
    throw new FairleadError("IMAGE_BAD_ARCHIVE", `"${archive}" holds ${manifests.length} images, not one`);
  }
  const [{ digest }] = manifests;
  return { digest, manifest: JSON.parse(fileIn(archive, blobPath(digest))) };
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function fileIn(archive: string, path: string): string {
  try {
    return execFileSync("tar", ["-xOf", archive, path], { encoding: "utf8", stdio: "pipe" });
  } catch (cause) {
    throw new FairleadError("IMAGE_BAD_ARCHIVE", `"${archive}" is not an OCI archive: "${path}" is not in it`, {
      cause,
    });
  }
}
