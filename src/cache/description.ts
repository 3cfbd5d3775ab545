import { CHECKSUM_ALGORITHMS, checksumHeader } from '../s3/checksum.ts';
import { unquoteEtag } from '../s3/etag.ts';
import type { Headers } from '../s3/headers.ts';

/** What is known of one version of an object besides its bytes. */
export interface Description {
  /** Unquoted. */
  readonly etag: string;
  readonly size: number;
  readonly lastModified: Date;
  /** As the storage sent them, but for those of one exchange and those that belong to one range. */
  readonly headers: Headers;
}

/** Of one exchange, or made anew for every answer. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  'accept-ranges',
  'age',
  'connection',
  'content-length',
  'content-range',
  'date',
  'etag',
  'retry-after',
  'set-cookie',
  'transfer-encoding',
  'vary',
  'x-amz-request-charged',
  'x-amz-request-id',
  'x-sluice-cache',
]);

/** A checksum is sent to who asks for it only. */
export const CHECKSUM_HEADERS: ReadonlySet<string> = new Set([
  ...CHECKSUM_ALGORITHMS.map(checksumHeader),
  'x-amz-checksum-type',
]);

/**
 * Reads a whole object's description from the headers of its GET or HEAD. Undefined where it cannot be served again:
 * without length, ETag or date.
 */
export function describe(headers: Headers): Description | undefined {
  const mark = markIn(headers);
  if (mark === undefined || headers.has('content-range')) return undefined;
  const kept = [...headers].filter(([name]) => !NOT_KEPT.has(name) && !name.startsWith('access-control-'));
  return { ...mark, lastModified: new Date(mark.lastModified), headers: new Map(kept) };
}

/**
 * Whether an object may lie here. One that its writer encrypts with own keys, or asks no shared cache to keep, may not.
 */
export function mayBeKept({ headers }: Description): boolean {
  if (headers.has('x-amz-server-side-encryption-customer-algorithm')) return false;
  if (headers.get('x-amz-server-side-encryption')?.startsWith('aws:kms') === true) return false;
  return !/(^|[\s,])(no-store|private)([\s,=]|$)/i.test(headers.get('cache-control') ?? '');
}

/** What tells versions apart, metadata included: a storage gives a changed object a new date. */
export interface VersionMark {
  readonly etag: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly lastModified: number;
}

export function markOf({ etag, size, lastModified }: Description): VersionMark {
  return { etag, size, lastModified: lastModified.getTime() };
}

/** The version that an answer is of, also one that gives a part of it; undefined where it does not tell. */
export function markIn(headers: Headers): VersionMark | undefined {
  const etag = headers.get('etag');
  const size = /^(?:bytes .*\/)?(\d+)$/.exec(headers.get('content-range') ?? headers.get('content-length') ?? '')?.[1];
  const lastModified = new Date(headers.get('last-modified') ?? '').getTime();
  if (etag === undefined || etag.startsWith('W/') || size === undefined || Number.isNaN(lastModified)) return undefined;
  return { etag: unquoteEtag(etag), size: Number(size), lastModified };
}

export function isSameVersion(a: VersionMark, b: VersionMark): boolean {
  return a.etag === b.etag && a.size === b.size && a.lastModified === b.lastModified;
}

/** Whether a 304 says nothing new. One with another date stands for the same bytes under other metadata. */
export function isNotModified(headers: Headers, mark: VersionMark): boolean {
  const lastModified = headers.get('last-modified');
  return lastModified === undefined || new Date(lastModified).getTime() === mark.lastModified;
}
