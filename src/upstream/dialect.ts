/**
 * How one S3 service differs from the others: plain data, never code. A storage takes its provider's row and may
 * override any field of it. Sizes are bytes.
 */
export interface Dialect {
  /** How requests are signed. */
  readonly signature: Signature;
  /** What the service accepts; a configuration asking for another is refused. */
  readonly signatures: readonly Signature[];
  /** Where the bucket stands: in the path, before the host, or nowhere (the host is bound to one bucket). */
  readonly addressing: Addressing;
  readonly addressings: readonly Addressing[];
  /** What V2 signs in the place of the bucket where the host is bound to one. */
  readonly v2DomainResource: 'bucket' | 'host';
  /** Path style for a bucket with a dot in its name over TLS, which no wildcard certificate covers. */
  readonly dottedBuckets: 'path' | 'as-is';
  /** Hosts of the service, and the region each stands for. */
  readonly hosts: readonly HostPattern[];
  /** Region signed for when neither the storage nor its host says one. */
  readonly region: string;
  /**
   * `x-amz-content-sha256` under V4. `keep`: the client's own hash if it signed one; else UNSIGNED-PAYLOAD over TLS,
   * and over plain HTTP the hash of what is in memory. `unsigned`: always UNSIGNED-PAYLOAD. `signed`: as `keep`, but
   * what is in memory is hashed over TLS too.
   */
  readonly payload: 'keep' | 'unsigned' | 'signed';
  /**
   * `x-amz-checksum-*` and their kin: passed on, or kept from a service that refuses or misreads them. Multipart
   * uploads go without in either case: a part's checksum may come in a trailer, too late for a header, and a service
   * that was told to expect one would refuse the part.
   */
  readonly checksums: 'pass' | 'strip';
  /** Content-MD5 on requests with an XML body. */
  readonly contentMd5OnXml: 'required' | 'optional';
  /** `If-None-Match: *` on a write. `header`: said by the service's own header; `refuse`: 501, never dropped. */
  readonly ifNoneMatch: ConditionalWrite;
  /** `If-Match` on a write. */
  readonly ifMatch: ConditionalWrite;
  /** The operations on which the service heeds those two; on any other write a condition is refused with 501. */
  readonly conditionalOperations: readonly ConditionalOperation[];
  /** The newest listing the service has. */
  readonly listVersion: 1 | 2;
  /** Whether `encoding-type=url` may be sent in a listing. */
  readonly encodingType: 'pass' | 'unsupported';
  /** Most keys in a page. */
  readonly maxKeys: number;
  /** Most keys in one DeleteObjects; 1: the service has none, and each key is deleted by itself. */
  readonly maxDeleteKeys: number;
  /** Largest object in one PutObject. */
  readonly maxSinglePut: number;
  /** Largest source of one CopyObject. */
  readonly maxCopy: number;
  /** Smallest part but the last. */
  readonly minPart: number;
  readonly maxParts: number;
  /** Parts but the last must have the same size. */
  readonly partSizes: 'any' | 'equal';
  readonly uploadPartCopy: 'native' | 'missing';
  /** What an ETag is: as AWS makes them, anything, or to be replaced by the MD5 in every answer. */
  readonly etag: 'aws' | 'opaque' | 'md5';
  /** Keys with a `.` or `..` segment: refused, as many servers resolve them to another key. */
  readonly dotSegments: 'refuse' | 'allow';
  /** What CreateBucket says as LocationConstraint: the storage's region, or nothing. The client's region is made up. */
  readonly locationConstraint: 'region' | 'none';
  /** Questions the service has no answer to: answered here, harmlessly, once the bucket or object was found to be there. */
  readonly missing: readonly StandIn[];
  /** S3's storage classes that the service calls otherwise. Others pass as they are. */
  readonly storageClasses: Readonly<Record<string, string>>;
  /** What the service wants behind every bucket name, such as an account's number; clients never see it. */
  readonly bucketSuffix: string;
  /** Prefix of the service's own headers, whose S3 counterpart is filled from them where it is missing. */
  readonly nativeHeaders: string | undefined;
  /** The service's own signature, for accounts that refuse those of AWS; needed by `signature: native`. */
  readonly nativeSignature: NativeSignature | undefined;
}

export type Signature = 'v4' | 'v2' | 'native';
/** Operations that can be answered without the service. */
export type StandIn =
  | 'GetBucketLocation'
  | 'GetBucketVersioning'
  | 'GetBucketAcl'
  | 'GetBucketTagging'
  | 'GetObjectAcl'
  | 'GetObjectTagging'
  | 'GetObjectAttributes';
export type Addressing = 'path' | 'virtual' | 'domain';

/** Writes that can be made to depend on what is there. */
export type ConditionalOperation =
  | 'PutObject'
  | 'CopyObject'
  | 'CreateMultipartUpload'
  | 'CompleteMultipartUpload'
  | 'DeleteObject';

export type ConditionalWrite =
  | { readonly by: 'native' }
  | { readonly by: 'header'; readonly name: string; readonly value: string }
  | { readonly by: 'refuse' };

/** A signature built like V4 with other words, and the headers that belong to it. */
export interface NativeSignature {
  readonly algorithm: string;
  /** Stands before the secret in the key derivation. */
  readonly keyPrefix: string;
  readonly service: string;
  /** The last part of the scope. */
  readonly terminator: string;
  /** Takes the place of `x-amz-` in every request header. */
  readonly headers: string;
  /** Request headers whose new name is another one than by that rule, on buckets and on objects. */
  readonly renamed: {
    readonly bucket: Readonly<Record<string, string>>;
    readonly object: Readonly<Record<string, string>>;
  };
  /** Storage classes under this signature, in place of the row's. */
  readonly storageClasses: Readonly<Record<string, string>>;
}

export interface HostPattern {
  /** A host with `{region}` and `{account}` in place of one or more characters other than a dot. */
  readonly host: string;
  /** The region it stands for, where the host does not spell it out; undefined with no `{region}`: must be configured. */
  readonly region?: string;
  /** Set when it is the wrong host: the right one, to be told to the user. */
  readonly use?: string;
}

/** A row with some fields replaced by what a storage's configuration says. */
export function mergeDialect(row: Dialect, overrides: Partial<Dialect>): Dialect {
  return { ...row, ...overrides };
}
