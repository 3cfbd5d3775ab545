import type { Headers } from '../s3/headers.ts';
import { hopByHop } from '../s3/headers.ts';
import { OPERATIONS, type OperationName } from '../s3/operation.ts';
import type { Query } from '../s3/query.ts';

/**
 * What may cross the gateway; all else stops here. A header that a storage understands and we do not (a vendor's own
 * copy source, an archive to unpack) would be done with our rights, unseen by any check above.
 */
const REQUEST_HEADERS: ReadonlySet<string> = new Set([
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'content-type',
  'expires',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'origin',
  'range',
  'x-amz-acl',
  'x-amz-bucket-object-lock-enabled',
  'x-amz-bypass-governance-retention',
  'x-amz-copy-source',
  'x-amz-copy-source-if-match',
  'x-amz-copy-source-if-modified-since',
  'x-amz-copy-source-if-none-match',
  'x-amz-copy-source-if-unmodified-since',
  'x-amz-copy-source-range',
  'x-amz-expected-bucket-owner',
  'x-amz-max-parts',
  'x-amz-metadata-directive',
  'x-amz-mp-object-size',
  'x-amz-object-attributes',
  'x-amz-object-ownership',
  'x-amz-optional-object-attributes',
  'x-amz-part-number-marker',
  'x-amz-request-payer',
  'x-amz-source-expected-bucket-owner',
  'x-amz-storage-class',
  'x-amz-tagging',
  'x-amz-tagging-directive',
  'x-amz-website-redirect-location',
]);
const REQUEST_PREFIXES = [
  'x-amz-meta-',
  'x-amz-checksum-',
  'x-amz-copy-source-server-side-encryption-',
  'x-amz-grant-',
  'x-amz-object-lock-',
  'x-amz-server-side-encryption',
];

const RESPONSE_HEADERS: ReadonlySet<string> = new Set([
  'accept-ranges',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-range',
  'content-type',
  'etag',
  'expires',
  'last-modified',
  'retry-after',
  'x-amz-abort-date',
  'x-amz-archive-status',
  'x-amz-copy-source-version-id',
  'x-amz-delete-marker',
  'x-amz-expiration',
  'x-amz-missing-meta',
  'x-amz-mp-parts-count',
  'x-amz-object-size',
  'x-amz-replication-status',
  'x-amz-request-charged',
  'x-amz-restore',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-bucket-key-enabled',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-server-side-encryption-customer-key-md5',
  'x-amz-storage-class',
  'x-amz-tagging-count',
  'x-amz-version-id',
  'x-amz-website-redirect-location',
]);
const RESPONSE_PREFIXES = ['x-amz-meta-', 'x-amz-checksum-', 'x-amz-object-lock-'];

/** Parameters of known operations besides those that choose the operation. */
const PARAMETERS: ReadonlySet<string> = new Set([
  ...Object.values(OPERATIONS).flatMap((row) => ('query' in row ? row.query : [])),
  'bucket-region',
  'continuation-token',
  'delimiter',
  'encoding-type',
  'fetch-owner',
  'key-marker',
  'marker',
  'max-buckets',
  'max-keys',
  'max-parts',
  'max-uploads',
  'part-number-marker',
  'prefix',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
  'select-type',
  'start-after',
  'upload-id-marker',
  'version-id-marker',
  'versionId',
]);

/** Never a parameter of S3 itself: signatures, SDK marks, vendors' own (which may write elsewhere than the path says). */
const FOREIGN_PARAMETER = /^(x-|AWSAccessKeyId$|Signature$|Expires$)/i;

/** The client's headers that a storage may see. */
export function requestHeaders(headers: Headers): Map<string, string> {
  return keep(headers, REQUEST_HEADERS, REQUEST_PREFIXES);
}

/**
 * A storage's headers that a client may see.
 * @param native prefix of the storage's own headers, standing in for `x-amz-` ones that are missing
 */
export function responseHeaders(headers: Headers, native: string | undefined): Map<string, string> {
  const kept = keep(headers, RESPONSE_HEADERS, RESPONSE_PREFIXES);
  if (native === undefined) return kept;
  for (const [name, value] of headers) {
    if (!name.startsWith(native)) continue;
    const counterpart = `x-amz-${name.slice(native.length)}`;
    if (!kept.has(counterpart) && isListed(counterpart, RESPONSE_HEADERS, RESPONSE_PREFIXES)) {
      kept.set(counterpart, value);
    }
  }
  return kept;
}

/** The parameters that a storage may see: S3's own for a known operation, else all but foreign ones. */
export function requestQuery(query: Query, operation: OperationName): Query {
  const isAllowed =
    operation === 'Unknown' ? (name: string) => !FOREIGN_PARAMETER.test(name) : (name: string) => PARAMETERS.has(name);
  return query.without((name) => !isAllowed(name));
}

function keep(headers: Headers, names: ReadonlySet<string>, prefixes: readonly string[]): Map<string, string> {
  const isDropped = hopByHop(headers);
  const kept = new Map<string, string>();
  for (const [name, value] of headers) {
    if (isListed(name, names, prefixes) && !isDropped(name)) kept.set(name, value);
  }
  return kept;
}

function isListed(name: string, names: ReadonlySet<string>, prefixes: readonly string[]): boolean {
  return names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
}
