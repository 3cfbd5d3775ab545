import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { encodeHeaderText, type Headers } from '../s3/headers.ts';
import type { S3Request } from '../s3/message.ts';
import type { Query } from '../s3/query.ts';
import { trimBlanks } from './blanks.ts';
import { canonicalPaths } from './sigv4.ts';

/**
 * The query parameters a V2 signature covers. Clients agree on AWS's list and differ on what came later: one of
 * those must be signed too, or the signature does not fit.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html#ConstructingTheCanonicalizedResourceElement
 */
export const V2_SIGNED_PARAMETERS: ReadonlySet<string> = new Set([
  'accelerate',
  'acl',
  'analytics',
  'cors',
  'delete',
  'inventory',
  'lifecycle',
  'location',
  'logging',
  'metrics',
  'notification',
  'object-lock',
  'partNumber',
  'policy',
  'replication',
  'requestPayment',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
  'restore',
  'select',
  'select-type',
  'tagging',
  'torrent',
  'uploadId',
  'uploads',
  'versionId',
  'versioning',
  'versions',
  'website',
]);

/**
 * The strings a client may have signed: one for each reading of the resource, the usual one first. One
 * character is one byte (latin1).
 * @param date what stands in the Date slot: the header, the Expires of a URL, '' beside an `x-amz-date`
 */
export function v2StringsToSign(
  request: Pick<S3Request, 'method' | 'headers' | 'query' | 'rawPath' | 'bucket' | 'key' | 'addressing'>,
  date: string,
): readonly string[] {
  const { method, headers } = request;
  const start = [method, headers.get('content-md5') ?? '', headers.get('content-type') ?? '', date, ''].join('\n');
  const amz = canonicalAmzHeaders(headers);
  const resources = new Set<string>();
  for (const query of [...canonicalSubResources(request.query), ...repeatedSubResource(request.query)]) {
    for (const path of resourcePaths(request)) resources.add(path + query);
  }
  return [...resources].map((resource) => start + amz + resource);
}

/** HMAC-SHA1 in base64, as every V2 signature is made. */
export function signV2(key: KeyObject, text: string): string {
  return createHmac('sha1', key).update(text, 'latin1').digest('base64');
}

/** Compares texts, not what they decode to: base64 has many spellings of the same bytes. */
export function isV2Signature(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected, 'latin1'), Buffer.from(given, 'utf8')];
  return a.length === b.length && timingSafeEqual(a, b);
}

function canonicalAmzHeaders(headers: Headers): string {
  return [...headers]
    .filter(([name]) => name.startsWith('x-amz-'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${trimBlanks(value)}\n`)
    .join('');
}

/** The bucket of a virtual-hosted request stands before the path. A bucket is signed with and without `/` behind. */
function resourcePaths(request: Pick<S3Request, 'rawPath' | 'bucket' | 'key' | 'addressing'>): readonly string[] {
  const prefix = request.addressing === 'virtual' ? `/${request.bucket}` : '';
  const paths = canonicalPaths(request.rawPath)
    .toReversed()
    .map((path) => prefix + path);
  if (request.bucket === undefined || request.key !== undefined) return paths;
  return paths.flatMap((path) => (path.endsWith('/') ? [path, path.slice(0, -1)] : [path, `${path}/`]));
}

/** Values are signed decoded. `?acl` and `?acl=` cannot be told apart here, so an empty value has two readings. */
function canonicalSubResources(query: Query): readonly string[] {
  const signed = query.parameters
    .filter(({ name }) => V2_SIGNED_PARAMETERS.has(name))
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  if (signed.length === 0) return [''];
  const write = (empty: string): string =>
    `?${signed.map(({ name, value }) => (value === '' ? name + empty : `${name}=${encodeHeaderText(value)}`)).join('&')}`;
  return signed.some(({ value }) => value === '') ? [write(''), write('=')] : [write('')];
}

/**
 * botocore before 2025, Debian's too, takes the query of the operation for a part of the path, and so signs it twice:
 * `/bucket?location?location`, or once where it is not signed at all: `/bucket?list-type=2`. No other request has
 * such a string: in a path a question mark is encoded.
 * https://github.com/boto/boto3/issues/4433
 */
function repeatedSubResource(query: Query): readonly string[] {
  const [first] = query.parameters;
  if (first === undefined || (first.value !== '' && first.name !== 'list-type')) return [];
  const inPath = first.value === '' ? first.name : `${first.name}=${first.value}`;
  return canonicalSubResources(query).map((signed) => `?${inPath}${signed}`);
}
