import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import aws4 from 'aws4';
import { signV2Header } from '../support/slow-verifier.ts';
import { text } from './kernel/xml.ts';
import { STAND_IN_KEY, type StandIn } from './stand-in.ts';

export interface Ask {
  readonly method?: string;
  readonly bucket?: string;
  /** Already percent-encoded. */
  readonly key?: string;
  /** Already percent-encoded, without `?`. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | (() => Readable);
  /** As the row serves it unless told. */
  readonly style?: 'path' | 'virtual';
  readonly sign?: 'v4' | 'v2' | 'query' | 'not';
  readonly region?: string;
  readonly secretKey?: string;
  /** Headers put on after signing. */
  readonly after?: Readonly<Record<string, string>>;
}

export interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
  /** The Code of an error document. */
  readonly code: string | undefined;
  element(name: string): string | undefined;
}

/** How clients that know a vendor address it. */
export function ownStyle({ row }: StandIn): 'path' | 'virtual' {
  return row.path === 'served' ? 'path' : 'virtual';
}

/** Sends one request straight to a stand-in, signed by aws4, or by the tests' own signer in V2. */
export async function ask(standIn: StandIn, parts: Ask): Promise<Told> {
  const { method = 'GET', bucket, key, query, body, sign = 'v4', style = ownStyle(standIn) } = parts;
  const isVirtual = style === 'virtual' && bucket !== undefined;
  const host = isVirtual ? `${bucket}.${standIn.endpoint}` : standIn.endpoint;
  const inPath = isVirtual || bucket === undefined ? [key ?? ''] : key === undefined ? [bucket] : [bucket, key];
  const path = `/${inPath.join('/')}${query === undefined ? '' : `?${query}`}`;
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  const given: Record<string, string> = {
    host,
    ...(isText && { 'content-length': String(Buffer.byteLength(body)) }),
    ...parts.headers,
  };
  const key2 = { ...STAND_IN_KEY, ...(parts.secretKey !== undefined && { secretKey: parts.secretKey }) };
  const region = parts.region ?? standIn.row.region;
  const unsigned = { host, path, method, service: 's3', region, headers: given, doNotEncodePath: true };
  let sent = { path, headers: given };
  if (sign === 'v4' || sign === 'query') {
    const own = sign === 'v4' ? { 'x-amz-content-sha256': given['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD' } : {};
    const signed = aws4.sign(
      {
        ...unsigned,
        headers: { ...given, ...own },
        signQuery: sign === 'query',
      },
      { accessKeyId: key2.accessKey, secretAccessKey: key2.secretKey },
    );
    sent = { path: signed.path ?? path, headers: { ...(signed.headers as Record<string, string>) } };
  }
  if (sign === 'v2') {
    const target = isVirtual ? `/${bucket}${path}` : path;
    const signed = signV2Header({ method, target, headers: given }, { ...key2, time: new Date() });
    sent = { path, headers: { ...signed.headers } };
  }
  return exchange(standIn.port, { method, path: sent.path, headers: { ...sent.headers, ...parts.after } }, body);
}

function exchange(
  port: number,
  options: { readonly method: string; readonly path: string; readonly headers: Readonly<Record<string, string>> },
  body: Ask['body'],
): Promise<Told> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const whole = Buffer.concat(chunks).toString('utf8');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers as Record<string, string | undefined>,
          text: whole,
          code: text(whole, 'Code'),
          element: (name) => text(whole, name),
        });
      });
    });
    request.once('error', reject);
    if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) request.end(body);
    else pipeline(body(), request).catch(reject);
  });
}

/** Content-MD5 of a document. */
export function md5Of(body: string): string {
  return createHash('md5').update(body).digest('base64');
}
