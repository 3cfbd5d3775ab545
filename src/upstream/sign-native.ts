import { createHash, createHmac } from 'node:crypto';
import { decodeHeaderText, type Headers } from '../s3/headers.ts';
import type { Query } from '../s3/query.ts';
import { encodeKey, encodeUri } from '../s3/uri.ts';
import type { NativeSignature } from './dialect.ts';
import type { Unsigned } from './sign.ts';
import type { TargetCredentials } from './target.ts';

/** What a native signature is made with. */
export interface NativeSigning {
  readonly words: NativeSignature;
  readonly credentials: TargetCredentials;
  readonly region: string;
}

/**
 * Signs in a service's own words, by a scheme that is V4's but for these: the resource is `/bucket/key` in every
 * addressing, a parameter without a value is signed without `=`, Host is not signed, nor the body.
 * Headers of S3 become the service's own. (The scheme: facts on vendors, 2.1.1.)
 * @param request its `x-amz-*` headers are still S3's
 */
export function signNative(request: Unsigned, { words, credentials, region }: NativeSigning, date: Date): Headers {
  const headers = nativeHeaders(request, words);
  const time = date.toISOString().replace(/[:-]|\.\d{3}/g, '');
  headers.set('date', date.toUTCString());
  headers.set(`${words.headers}date`, time);
  headers.set(`${words.headers}content-sha256`, 'UNSIGNED-PAYLOAD');
  if (credentials.sessionToken !== undefined) headers.set(`${words.headers}security-token`, credentials.sessionToken);
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/${words.service}/${words.terminator}`;
  const canonical = [
    request.method,
    request.bucket === undefined ? '/' : `/${encodeUri(request.bucket)}/${encodeKey(request.key ?? '')}`,
    canonicalQuery(request.query),
    canonicalHeaders(headers, words),
    '',
    'UNSIGNED-PAYLOAD',
  ].join('\n');
  const digest = createHash('sha256').update(canonical).digest('hex');
  let key: string | Buffer = `${words.keyPrefix}${credentials.secretKey}`;
  for (const part of [day, region, words.service, words.terminator]) {
    key = createHmac('sha256', key).update(part).digest();
  }
  const text = [words.algorithm, time, scope, digest].join('\n');
  const signature = createHmac('sha256', key).update(text).digest('hex');
  return headers.set(
    'authorization',
    `${words.algorithm} Credential=${credentials.accessKey}/${scope},Signature=${signature}`,
  );
}

/** S3's headers under the service's names. */
function nativeHeaders({ headers, key }: Unsigned, words: NativeSignature): Map<string, string> {
  const renamed = new Map(Object.entries(key === undefined ? words.renamed.bucket : words.renamed.object));
  return new Map(
    [...headers].map(([name, value]) => {
      if (!name.startsWith('x-amz-')) return [name, value];
      return [renamed.get(name) ?? `${words.headers}${name.slice('x-amz-'.length)}`, value];
    }),
  );
}

function canonicalQuery({ parameters }: Query): string {
  return parameters
    .map(({ name, value }): [string, string] => [encodeUri(name), value === '' ? '' : `=${encodeUri(value)}`])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}${value}`)
    .join('&');
}

function canonicalHeaders(headers: Headers, words: NativeSignature): string {
  return [...headers]
    .filter(([name]) => name.startsWith(words.headers) || name === 'content-type' || name === 'content-md5')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${decodeHeaderText(value).trim()}\n`)
    .join('');
}
