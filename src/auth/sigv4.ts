import { createHmac, hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { S3Request } from '../s3/message.ts';
import type { Query } from '../s3/query.ts';
import { decodeUri, encodeUri } from '../s3/uri.ts';
import type { V4Claim } from './sigv4-claim.ts';

/** The request as one V4 signature covers it, but for the host and the path, which have several readings. */
export interface Canonical {
  readonly method: string;
  readonly query: string;
  /** The value of each signed header; `host` is put in later. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly signedHeaders: string;
  readonly payload: string;
}

/**
 * Builds the canonical parts from what was received.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 * @param payload the last line: a hash in hex or one of the words that stand for it
 */
export function canonicalise(
  request: Pick<S3Request, 'method' | 'headers' | 'query'>,
  claim: V4Claim,
  payload: string,
): Canonical {
  return {
    method: request.method,
    query: canonicalQuery(request.query),
    headers: claim.signedHeaders.map((name) => [name, canonicalValue(request.headers.get(name) ?? '')] as const),
    signedHeaders: claim.signedHeaders.join(';'),
    payload,
  };
}

/** The canonical request for one reading of host and path. One character is one byte (latin1). */
export function canonicalRequest(parts: Canonical, host: string, path: string): string {
  let headers = '';
  for (const [name, value] of parts.headers) headers += `${name}:${name === 'host' ? canonicalValue(host) : value}\n`;
  return `${parts.method}\n${path}\n${parts.query}\n${headers}\n${parts.signedHeaders}\n${parts.payload}`;
}

export function stringToSign(claim: V4Claim, canonical: string): string {
  const digest = hash('sha256', Buffer.from(canonical, 'latin1'), 'hex');
  return `AWS4-HMAC-SHA256\n${claim.timestamp}\n${credentialScope(claim)}\n${digest}`;
}

/** The scope as it stands in strings to sign. */
export function credentialScope(claim: Pick<V4Claim, 'scope'>): string {
  return `${claim.scope.day}/${claim.scope.region}/s3/aws4_request`;
}

/** HMAC-SHA256 in hex, as every V4 signature is made. */
export function sign(key: KeyObject, text: string): string {
  return createHmac('sha256', key).update(text, 'latin1').digest('hex');
}

/** Compares in a time that tells nothing. `given` may be anything; only 64 lower-case hex digits can be equal. */
export function isSignature(expected: string, given: string): boolean {
  return /^[0-9a-f]{64}$/.test(given) && timingSafeEqual(Buffer.from(expected, 'latin1'), Buffer.from(given, 'latin1'));
}

/**
 * The readings of a path that clients sign: each segment decoded once and encoded again, and as received.
 * S3 does not normalise: `//`, `.` and `..` stay. `%2F` stays apart from `/`.
 */
export function canonicalPaths(rawPath: string): readonly string[] {
  if (!/[^A-Za-z0-9\-._~/]/.test(rawPath)) return [rawPath];
  const segments = rawPath.split('/').map(decodeUri);
  if (segments.includes(undefined)) return [rawPath];
  const encoded = segments.map((segment) => encodeUri(segment ?? '')).join('/');
  return encoded === rawPath ? [rawPath] : [encoded, rawPath];
}

function canonicalQuery(query: Query): string {
  const pairs: [string, string][] = [];
  for (const { name, value } of query.parameters) {
    if (name !== 'X-Amz-Signature') pairs.push([encodeUri(name), encodeUri(value)]);
  }
  pairs.sort(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Trims, and makes each run of blanks one space. */
function canonicalValue(value: string): string {
  return /^[ \t]|[ \t]$|[ \t]{2}|\t/.test(value) ? value.replace(/[ \t]+/g, ' ').replace(/^ | $/g, '') : value;
}
