import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { request as httpsRequest, Agent as TlsAgent } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import type { Test } from 'tap';
import { ACCESS_KEY, SECRET_KEY } from './gateway.ts';
import {
  type Key,
  presign,
  presignV2,
  signedChunks,
  signHeader,
  signV2Header,
  unsignedChunks,
  type WireRequest,
} from './slow-verifier.ts';

/** How a client signs: V4 with the body's hash, V2, V4 with signed chunks, V4 with a checksum behind unsigned chunks. */
export type Signing = 'v4' | 'v2' | 'v4-chunks' | 'v4-trailer';

export interface WireAccount extends Partial<Key> {
  readonly port: number;
  /** Host name in requests, and behind the bucket in virtual-hosted ones; 127.0.0.1 unless given. */
  readonly host?: string;
  readonly addressing?: 'path' | 'virtual';
  readonly signing?: Signing;
  readonly region?: string;
  /** The certificate to trust; HTTPS then. */
  readonly ca?: string;
}

export interface Asking {
  /** As it stands on the wire, without `?`. */
  readonly query?: string;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Sends the body only when told to go on, however long that takes, as s3fs does. */
  readonly expects?: boolean;
  /** V4: the names to sign beside `host` and every `x-amz-`. */
  readonly signs?: readonly string[];
  /** Changes what is sent after it was signed. */
  readonly tamper?: (body: Buffer) => Buffer;
  /** Path style for this one request, as botocore asks for a bucket's location. */
  readonly path?: boolean;
  readonly signing?: Signing;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly text: string;
  /** Code of the error document. */
  readonly code: string | undefined;
  /** Whether 100 Continue came first. */
  readonly continued: boolean;
}

export interface WireClient {
  ask(method: string, bucket: string, key?: string, asking?: Asking): Promise<WireAnswer>;
  /** The head of an answer whose body is left to the caller, and what aborts it. */
  open(method: string, bucket: string, key: string, asking?: Asking): Promise<IncomingMessage>;
  /** The same of what was signed before, or elsewhere, and has no body. */
  openAt(request: WireRequest): Promise<IncomingMessage>;
  /** What `ask` would put on the wire. */
  sign(method: string, bucket: string, key?: string, asking?: Asking): WireRequest & { readonly body: Buffer };
  /** A signed URL's path and query. @param expires seconds from now */
  presign(method: string, bucket: string, key: string, options?: Presigning): string;
  /** Sends what was signed before, or elsewhere. */
  send(request: WireRequest & { readonly body?: Buffer }, expects?: boolean): Promise<WireAnswer>;
}

export interface Presigning {
  readonly query?: string;
  readonly host?: string;
  readonly expires?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signing?: 'v4' | 'v2';
}

const EMPTY = Buffer.alloc(0);

/** A client that signs by hand and changes nothing of what it is told, closed with the test. */
export function wireClient(t: Pick<Test, 'teardown'>, account: WireAccount): WireClient {
  const { port, host = '127.0.0.1', addressing = 'path', region = 'us-east-1', ca } = account;
  const key: Key = { accessKey: account.accessKey ?? ACCESS_KEY, secretKey: account.secretKey ?? SECRET_KEY };
  const agent =
    ca === undefined ? new Agent({ keepAlive: true }) : new TlsAgent({ keepAlive: true, ca, servername: host });
  t.teardown(() => agent.destroy());

  const sign: WireClient['sign'] = (method, bucket, objectKey, asking = {}) => {
    const isVirtual = addressing === 'virtual' && asking.path !== true;
    const path = pathOf(isVirtual ? undefined : bucket, objectKey);
    const target = asking.query === undefined ? path : `${path}?${asking.query}`;
    const authority = `${isVirtual ? `${bucket}.` : ''}${host}:${port}`;
    const plain: WireRequest = { method, target, headers: { host: authority, ...asking.headers } };
    const signed = SIGNERS[asking.signing ?? account.signing ?? 'v4'](plain, asking.body ?? EMPTY, {
      ...key,
      region,
      time: new Date(),
      signs: asking.signs ?? [],
      resource: isVirtual ? `/${bucket}${target}` : target,
    });
    return { ...signed, body: asking.tamper?.(signed.body) ?? signed.body };
  };

  const start = ({ method, target, headers }: WireRequest): ClientRequest => {
    const options: RequestOptions = { host: '127.0.0.1', port, agent, method, path: target, headers, setHost: false };
    return ca === undefined ? httpRequest(options) : httpsRequest(options);
  };

  const send: WireClient['send'] = async (request, expects = false) => {
    const outgoing = start(expects ? { ...request, headers: { ...request.headers, expect: '100-continue' } } : request);
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
    let continued = false;
    if (expects) {
      outgoing.flushHeaders();
      const wentOn = once(outgoing, 'continue').then(() => {
        continued = true;
      });
      await Promise.race([wentOn, answered]);
    }
    if (!expects || continued) outgoing.end(request.body ?? EMPTY);
    const [incoming] = await answered;
    const body = await buffer(incoming);
    // A server that refuses unheard closes; the client has nothing more to say then.
    if (expects && !continued) outgoing.destroy();
    const text = body.length < 2 ** 20 ? body.toString() : '';
    const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1];
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body, text, code, continued };
  };

  const open = async (request: WireRequest, body: Buffer): Promise<IncomingMessage> => {
    const outgoing = start(request);
    outgoing.end(body);
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    return incoming;
  };

  return {
    sign,
    send,
    ask: (method, bucket, objectKey, asking = {}) => send(sign(method, bucket, objectKey, asking), asking.expects),
    open: (method, bucket, objectKey, asking) => {
      const request = sign(method, bucket, objectKey, asking);
      return open(request, request.body);
    },
    openAt: (request) => open(request, EMPTY),
    presign: (method, bucket, objectKey, options = {}) => {
      const { query, headers = {}, expires = 600 } = options;
      const target = pathOf(bucket, objectKey) + (query === undefined ? '' : `?${query}`);
      const request = { method, target, headers: { host: options.host ?? `${host}:${port}`, ...headers } };
      if (options.signing === 'v2') {
        return presignV2(request, { ...key, expires: Math.floor(Date.now() / 1000) + expires }).target;
      }
      const signedHeaders = ['host', ...Object.keys(headers)].sort();
      // A URL that has expired was signed when it had not.
      const time = new Date(Date.now() + Math.min(0, expires - 1) * 1000);
      return presign(request, { ...key, region, time, expires: Math.max(1, expires), signedHeaders }).target;
    },
  };
}

/** A key's path as SDKs write it: every byte but the unreserved ones and the slash is encoded. */
export function pathOf(bucket: string | undefined, key: string | undefined): string {
  const encoded = encodeURIComponent(key ?? '')
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  if (bucket === undefined) return `/${encoded}`;
  return key === undefined ? `/${bucket}` : `/${bucket}/${encoded}`;
}

interface SignerOptions extends Key {
  readonly region: string;
  readonly time: Date;
  readonly signs: readonly string[];
  /** Path and query that V2 signs. */
  readonly resource: string;
}

type Signer = (request: WireRequest, body: Buffer, options: SignerOptions) => WireRequest & { readonly body: Buffer };

const SIGNERS: Readonly<Record<Signing, Signer>> = {
  v4: (request, body, options) => {
    const length = { 'content-length': String(body.length) };
    const headers = {
      ...request.headers,
      ...(needsLength(request, body) && length),
      'x-amz-content-sha256': sha256(body),
    };
    return { ...signHeader({ ...request, headers }, v4Options(headers, options)), body };
  },
  v2: (request, body, options) => {
    const headers = needsLength(request, body)
      ? { ...request.headers, 'content-length': String(body.length) }
      : request.headers;
    const signed = signV2Header({ ...request, headers, target: options.resource }, options);
    return { ...signed, target: request.target, body };
  },
  /** As the AWS SDK for Java V1: nothing in Content-Encoding tells of it. */
  'v4-chunks': (request, body, options) => {
    if (request.method !== 'PUT' || request.headers['x-amz-copy-source'] !== undefined) {
      return SIGNERS.v4(request, body, options);
    }
    const sizes = sizesOf(body.length, 128 * 1024);
    const head = {
      ...request.headers,
      'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      'x-amz-decoded-content-length': String(body.length),
      'content-length': String(
        [...sizes, 0].reduce(
          (sum, size) => sum + size.toString(16).length + ';chunk-signature='.length + 64 + 4 + size,
          0,
        ),
      ),
    };
    const signed = signHeader({ ...request, headers: head }, v4Options(head, options));
    return { ...signed, body: signedChunks(body, signed, { ...options, sizes }) };
  },
  /** As botocore over HTTPS: no Content-Length, the checksum last. */
  'v4-trailer': (request, body, options) => {
    const isUpload = request.method === 'PUT' && request.headers['x-amz-copy-source'] === undefined;
    if (!isUpload) return SIGNERS.v4(request, body, options);
    const { 'x-amz-checksum-crc32': checksum = crc32Of(body), ...rest } = request.headers;
    const headers = {
      ...rest,
      'content-encoding': 'aws-chunked',
      'transfer-encoding': 'chunked',
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-decoded-content-length': String(body.length),
      'x-amz-sdk-checksum-algorithm': 'CRC32',
      'x-amz-trailer': 'x-amz-checksum-crc32',
    };
    const sizes = sizesOf(body.length, 1024 * 1024);
    const trailer = `x-amz-checksum-crc32:${checksum}`;
    return {
      ...signHeader({ ...request, headers }, v4Options(headers, options)),
      body: unsignedChunks(body, { sizes, trailer }),
    };
  },
};

function needsLength({ method }: WireRequest, body: Buffer): boolean {
  return body.length > 0 || method === 'PUT' || method === 'POST';
}

function v4Options(headers: Readonly<Record<string, string>>, { signs, ...options }: SignerOptions) {
  const names = ['host', 'x-amz-date', ...signs, ...Object.keys(headers).filter((name) => name.startsWith('x-amz-'))];
  return { ...options, signedHeaders: [...new Set(names)].sort() };
}

function sizesOf(length: number, chunk: number): number[] {
  return Array.from({ length: Math.ceil(length / chunk) }, (_, index) => Math.min(chunk, length - index * chunk));
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Lower-case hex. */
export function md5Hex(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}

export function md5Base64(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('base64');
}

/** As in `x-amz-checksum-crc32`. */
export function crc32Of(bytes: Buffer): string {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes));
  return sum.toString('base64');
}

/** The texts of an element, unescaped. */
export function textsOf(xml: string, element: string): string[] {
  const found = xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, 'g'));
  return [...found].map(([, text = '']) =>
    text.replace(/&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));/g, (_, decimal, hex, name: string) =>
      name === undefined
        ? String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hex, 16))
        : (ENTITIES[name] ?? ''),
    ),
  );
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
