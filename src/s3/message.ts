import type { Readable } from 'node:stream';
import type { BodyChecksum, ChecksumAlgorithm } from './checksum.ts';
import type { Headers } from './headers.ts';
import type { OperationName } from './operation.ts';
import type { Query } from './query.ts';

/**
 * The bytes of a message. A stream has one owner at a time, who consumes or destroys it exactly once;
 * passing a message on passes that duty on. `null` is an empty body.
 */
export type Body = Readable | Uint8Array | null;

/** Who calls: the name and access key of a local credential, never its secret. */
export interface Identity {
  readonly name: string;
  readonly accessKey: string;
}

/** The body is held against these as it is read, and fails when one of them is wrong. */
export interface BodyClaims {
  /** Base64. */
  readonly md5: string | undefined;
  /** Of the checksum in a header, or in the trailer to come. */
  readonly algorithm: ChecksumAlgorithm | undefined;
}

/**
 * One S3 request, parsed but complete. Readonly throughout: a layer that changes something makes a copy.
 *
 * `bucket` and `key` are decoded once, here, and are what every later step uses; `rawPath` is the path
 * exactly as received and exists for signature checks only. A key never passes through `URL`.
 */
export interface S3Request {
  /** Request id, as sent back in `x-amz-request-id`. */
  readonly id: string;
  readonly method: string;
  readonly operation: OperationName;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  /** Path of the request target as received, before `?`, still percent-encoded. */
  readonly rawPath: string;
  /** `virtual` when the bucket stood in the Host header. */
  readonly addressing: 'path' | 'virtual';
  readonly query: Query;
  readonly headers: Headers;
  /** How the client reached us: signature checks and `Location` need it. */
  readonly scheme: 'http' | 'https';
  /** Address of the caller, for logs. */
  readonly peer: string;
  /** Undefined until a signature was accepted, and for anonymous callers. */
  readonly identity: Identity | undefined;
  /** Where a client's signature stood; undefined for what Sluice asks by itself. */
  readonly signedIn?: 'header' | 'query' | 'nowhere';
  /** The answer may be a 307 that leads the client to the storage: its own read, and nobody here needs the bytes. */
  readonly mayRedirect?: boolean;
  /**
   * Where the line is to be spared: awaited for bytes of the answer that come from a storage, before more are taken.
   * Undefined: as fast as they come.
   */
  readonly pace?: (bytes: number) => Promise<void>;
  readonly body: Body;
  /** Bytes in `body` (after decoding of any upload framing), undefined when not known beforehand. */
  readonly bodyLength: number | undefined;
  /**
   * The checksum that the client chose for its body, in a header or trailer. It has been verified, and is known
   * for certain, once `body` has ended; undefined when the client chose none.
   */
  readonly bodyChecksum: () => BodyChecksum | undefined;
  /** What the client said of the bytes before it sent them; undefined for a body that is not the client's own. */
  readonly bodyClaims?: BodyClaims | undefined;
  /** Aborts when the client has gone or the server gives up on the request. */
  readonly signal: AbortSignal;
  /**
   * What layers add to this request's one log line, such as `credential`, `storage` or `cache`. The same map in
   * every copy of the request. Never a secret, never a vendor's error text.
   */
  readonly notes: Map<string, string | number>;
}

/**
 * One S3 response. Whoever receives it owns `body`. `headers` names are lower case;
 * `content-length` is set wherever it is known.
 */
export interface S3Response {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** The one interface between parts: answers a request, or throws `S3Error`. */
export type Handler = (request: S3Request) => Promise<S3Response>;

/** Something done around every request. It may answer by itself, or call `next` with a changed request. */
export type Layer = (next: Handler) => Handler;

/** Puts layers around a handler, listed in the order a request meets them. */
export function compose(handler: Handler, layers: readonly Layer[]): Handler {
  return layers.reduceRight((next, layer) => layer(next), handler);
}
