import { createHmac } from 'node:crypto';
import type { Headers } from '../../s3/headers.ts';

/** What is signed of a request. */
export interface SignableRequest {
  readonly method: string;
  /** As sent, percent-encoded, with the account before it on path-style endpoints. */
  readonly path: string;
  /** Decoded. */
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly headers: Headers;
  /** Bytes in the body. */
  readonly contentLength: number;
}

/** Standard headers of the string to sign, in its order; Date is left empty, as `x-ms-date` is always sent. */
const SLOTS = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
] as const;

/**
 * The Authorization header of SharedKey.
 * https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
 */
export function sharedKeyAuthorization(account: string, key: Buffer, request: SignableRequest): string {
  const signature = createHmac('sha256', key).update(stringToSign(account, request), 'utf8').digest('base64');
  return `SharedKey ${account}:${signature}`;
}

/** The text that SharedKey signs. */
export function stringToSign(
  account: string,
  { method, path, query, headers, contentLength }: SignableRequest,
): string {
  const slots = SLOTS.map((name) => {
    // An empty body has no length here since 2015-02-21.
    if (name === 'content-length') return contentLength === 0 ? '' : String(contentLength);
    return headers.get(name) ?? '';
  });
  return `${[method, ...slots].join('\n')}\n${canonicalHeaders(headers)}${canonicalResource(account, path, query)}`;
}

/**
 * Azure sorts by the rules of a .NET culture, in which hyphens count for nothing and `_` comes before digits. The
 * names sent here (metadata are `[a-z][a-z0-9]*`, no other differs from a neighbour by a hyphen) sort the same by
 * their characters.
 */
function canonicalHeaders(headers: Headers): string {
  const names = [...headers.keys()].filter((name) => name.startsWith('x-ms-')).sort();
  return names.map((name) => `${name}:${headers.get(name)}\n`).join('');
}

function canonicalResource(account: string, path: string, query: SignableRequest['query']): string {
  const values = new Map<string, string[]>();
  for (const [name, value] of query) values.set(name.toLowerCase(), [...(values.get(name.toLowerCase()) ?? []), value]);
  const lines = [...values]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, list]) => `\n${name}:${list.sort().join(',')}`);
  return `/${account}${path}${lines.join('')}`;
}
