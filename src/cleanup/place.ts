import type { Handler } from '../s3/message.ts';

/** A storage, as far as Sluice may tidy it up. */
export interface TidyStorage {
  readonly name: string;
  /** Where it is. Of two storages with one address, an upload to the one is an upload to the other. */
  readonly address: string;
  /** Takes requests that name the storage's own buckets and keys, and counts none of them as a client's. */
  readonly handler: Handler;
  /** The clock by which it says when something began. */
  readonly clock: () => Date;
  /** Uploads to ask for at once. A page is parsed in one go, and nobody else is served meanwhile. */
  readonly pageSize: number;
  /** There are buckets that may be somebody else's, as nothing names them; they are left alone. */
  readonly isPartial: boolean;
  /** Asked once a run; what is listed belongs to this gateway, and nothing else does. */
  readonly places: (signal: AbortSignal) => Promise<readonly Place[]>;
}

/** A bucket, or what lies below a prefix of it, in the storage's own names. */
export interface Place {
  readonly bucket: string;
  readonly prefix: string;
  /** What `sluice check` tries, it tries right below this prefix. */
  readonly hasProbes: boolean;
  /** The bucket itself was made by `sluice check`, long ago. */
  readonly isProbe: boolean;
}

/** An upload in parts, in the storage's own names. */
export interface UploadName {
  readonly address: string;
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}
