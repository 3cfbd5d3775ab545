import type { BodyChecksum, ChecksumAlgorithm } from '../s3/checksum.ts';
import type { Conditions } from '../s3/conditions.ts';
import type { Headers } from '../s3/headers.ts';
import type { Body, BodyClaims } from '../s3/message.ts';
import type { ByteRange } from '../s3/range.ts';

/**
 * A place that keeps objects and is not itself an S3 service. `serve` turns it into a `Handler`.
 *
 * Every method throws `S3Error` for what a client may know (NoSuchBucket, NoSuchKey, NoSuchUpload,
 * PreconditionFailed ...). An optional method that is absent answers NotImplemented. Bodies handed in are
 * consumed or destroyed by the store; bodies handed out belong to the caller. A write is whole or absent:
 * when `body` fails, nothing of it remains. ETags are without quotes everywhere in this interface.
 */
export interface ObjectStore {
  listBuckets(): Promise<readonly BucketInfo[]>;
  /** @throws S3Error BucketAlreadyOwnedByYou */
  createBucket(bucket: string): Promise<void>;
  headBucket(bucket: string): Promise<BucketInfo>;
  /** @throws S3Error BucketNotEmpty when it holds an object */
  deleteBucket(bucket: string): Promise<void>;

  /** The object's description and, unless `headOnly`, its bytes: those of `range` when it can be satisfied. */
  getObject(input: GetObjectInput, signal: AbortSignal): Promise<GetObjectOutput>;
  putObject(input: PutObjectInput, signal: AbortSignal): Promise<WrittenObject>;
  /** Server-side copy. Source and destination may be the same key when attributes are replaced. */
  copyObject(input: CopyObjectInput, signal: AbortSignal): Promise<WrittenObject>;
  /** Deleting what is not there is no error. */
  deleteObject(input: ObjectPlace & { readonly conditions: Conditions }): Promise<void>;
  /** One page, in UTF-8 byte order of the keys. */
  listObjects(input: ListObjectsInput): Promise<ListObjectsOutput>;

  getObjectTagging(place: ObjectPlace): Promise<Tags>;
  putObjectTagging(place: ObjectPlace, tags: Tags): Promise<void>;

  createMultipartUpload(
    input: ObjectPlace & ObjectAttributes & UploadChecksumMode,
  ): Promise<{ readonly uploadId: string }>;
  uploadPart(input: UploadPartInput, signal: AbortSignal): Promise<WrittenPart>;
  uploadPartCopy(input: UploadPartCopyInput, signal: AbortSignal): Promise<WrittenPart>;
  completeMultipartUpload(input: CompleteMultipartUploadInput, signal: AbortSignal): Promise<WrittenObject>;
  abortMultipartUpload(place: UploadPlace): Promise<void>;
  listParts(input: UploadPlace & { readonly after: number; readonly limit: number }): Promise<ListPartsOutput>;
  listMultipartUploads(input: ListUploadsInput): Promise<ListUploadsOutput>;

  /** Releases what the store holds. Requests under way have ended. */
  close(): Promise<void>;
}

export interface BucketInfo {
  readonly name: string;
  readonly created: Date;
}

export interface ObjectPlace {
  readonly bucket: string;
  readonly key: string;
}

export interface UploadPlace extends ObjectPlace {
  readonly uploadId: string;
}

export type Tags = readonly (readonly [name: string, value: string])[];

/** A checksum kept with an object or part. `value` is base64, with `-PARTS` behind it when composite. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: 'FULL_OBJECT' | 'COMPOSITE';
  readonly value: string;
}

/** What a client believes the checksum of an upload to be: of the upload's own type where it names none. */
export interface ExpectedChecksum extends Omit<Checksum, 'type'> {
  readonly type: Checksum['type'] | undefined;
}

/** What a writer says of an object besides its bytes. Values are latin1 header values, as received. */
export interface ObjectAttributes {
  /** `content-type`, `content-encoding`, `content-language`, `content-disposition`, `cache-control`, `expires`, `x-amz-website-redirect-location`. */
  readonly systemHeaders: ReadonlyMap<string, string>;
  /** Names without `x-amz-meta-`, lower case. */
  readonly userMetadata: ReadonlyMap<string, string>;
  readonly tags: Tags;
  readonly storageClass: string;
}

export interface ObjectDescription extends ObjectPlace, ObjectAttributes {
  readonly size: number;
  readonly etag: string;
  readonly lastModified: Date;
  readonly checksum: Checksum | undefined;
  /** Sizes of the parts it was completed from; undefined for an object written in one piece. */
  readonly parts: readonly PartInfo[] | undefined;
  /** How many tags it has, where a store tells only that; `tags` is empty then. */
  readonly tagCount?: number;
}

export interface PartInfo {
  readonly partNumber: number;
  readonly size: number;
  readonly checksum: Checksum | undefined;
}

export interface GetObjectInput extends ObjectPlace {
  /** Range header, as received. */
  readonly range: string | undefined;
  /** Reads one part of a multipart object, by its number, instead of a range. */
  readonly partNumber: number | undefined;
  /** Held against the object before any byte is read. A read answers PreconditionFailed or NotModified. */
  readonly conditions: Conditions;
  readonly headOnly: boolean;
  /** The checksums of the object's parts are wanted, which a store may have to fetch. */
  readonly hasPartChecksums?: boolean;
  /** The client would take the bytes from elsewhere, with these headers overridden; a store need not heed it. */
  readonly redirect?: { readonly overrides: Headers } | undefined;
}

export interface GetObjectOutput {
  readonly object: ObjectDescription;
  /** The stretch that `body` holds; undefined when it is the whole object. */
  readonly range: ByteRange | undefined;
  readonly body: Body;
  /** Where the client finds the bytes instead; `body` is null then. Only when the input allows it. */
  readonly redirect?: string | undefined;
}

/** Bytes on their way in. Their hashes have been checked by the time the body ends; a failed check fails the stream. */
export interface IncomingBytes {
  readonly body: Body;
  /** Bytes in the body, when known beforehand. A body of another length must fail with IncompleteBody. */
  readonly length: number | undefined;
  /** The checksum that the client chose, known once the body has ended; undefined when it chose none. */
  readonly checksum: () => BodyChecksum | undefined;
  /** What is held against the bytes before the body ends; undefined when that is not known. */
  readonly claims?: BodyClaims | undefined;
}

export interface PutObjectInput extends ObjectPlace, ObjectAttributes, IncomingBytes {
  /** If-Match and If-None-Match, decided in the same instant as the write becomes visible. */
  readonly conditions: Conditions;
}

export interface CopyObjectInput extends ObjectPlace {
  readonly source: ObjectPlace;
  readonly sourceConditions: Conditions;
  readonly conditions: Conditions;
  /** Undefined: keep the source's headers, metadata and storage class. */
  readonly attributes: Omit<ObjectAttributes, 'tags'> | undefined;
  /** Goes before the one in `attributes` and the source's. */
  readonly storageClass: string | undefined;
  /** Undefined: keep the source's tags. */
  readonly tags: Tags | undefined;
  /** An algorithm to compute anew over the bytes; undefined keeps the source's checksum. */
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
}

export interface WrittenObject {
  readonly etag: string;
  readonly lastModified: Date;
  readonly checksum: Checksum | undefined;
}

export interface ListObjectsInput {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string;
  /**
   * Only keys after this one in UTF-8 byte order; '' from the start. When it is a common prefix itself, the keys
   * below it are passed over; when it lies within one, that prefix is still shown if keys of it follow, as AWS does.
   */
  readonly after: string;
  /** Objects and common prefixes together. 0 gives an empty page that is not truncated. */
  readonly limit: number;
}

export interface ListObjectsOutput {
  readonly objects: readonly ListedObject[];
  readonly commonPrefixes: readonly string[];
  /** Give this as `after` for the next page; undefined when there is none. */
  readonly next: string | undefined;
}

export interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly lastModified: Date;
  readonly storageClass: string;
  readonly checksum: Pick<Checksum, 'algorithm' | 'type'> | undefined;
}

export interface UploadChecksumMode {
  readonly checksum: Pick<Checksum, 'algorithm' | 'type'> | undefined;
}

export interface UploadPartInput extends UploadPlace, IncomingBytes {
  readonly partNumber: number;
}

export interface UploadPartCopyInput extends UploadPlace {
  readonly partNumber: number;
  readonly source: ObjectPlace;
  readonly sourceConditions: Conditions;
  /** `x-amz-copy-source-range` as received. */
  readonly sourceRange: string | undefined;
}

export interface WrittenPart {
  readonly etag: string;
  readonly lastModified: Date;
  readonly checksum: Checksum | undefined;
}

export interface CompleteMultipartUploadInput extends UploadPlace {
  readonly parts: readonly {
    readonly partNumber: number;
    readonly etag: string;
    readonly checksum: Checksum | undefined;
  }[];
  readonly conditions: Conditions;
  /** The whole object's checksum and size as the client believes them, to be held against the result. */
  readonly expectedChecksum: ExpectedChecksum | undefined;
  readonly expectedSize: number | undefined;
}

export interface ListPartsOutput {
  readonly parts: readonly ListedPart[];
  readonly next: number | undefined;
  readonly storageClass: string;
  readonly checksum: Pick<Checksum, 'algorithm' | 'type'> | undefined;
}

export interface ListedPart extends PartInfo {
  readonly etag: string;
  readonly lastModified: Date;
}

export interface ListUploadsInput {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string;
  readonly afterKey: string;
  /** With `afterKey`: only uploads of that key after this id, then all of later keys; '' skips the key whole. */
  readonly afterUploadId: string;
  readonly limit: number;
}

export interface ListUploadsOutput {
  readonly uploads: readonly ListedUpload[];
  readonly commonPrefixes: readonly string[];
  readonly next: { readonly key: string; readonly uploadId: string } | undefined;
}

export interface ListedUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly initiated: Date;
  readonly storageClass: string;
  readonly checksum: Pick<Checksum, 'algorithm' | 'type'> | undefined;
}
