/**
 * The signature rules of S3 a second time, written from the specification for clarity and sharing no code with
 * `src`: the tests sign with it and hold the gateway's verdicts against its own.
 */
import { createHash, createHmac } from 'node:crypto';

export interface WireRequest {
  readonly method: string;
  /** Path and query as on the wire. */
  readonly target: string;
  /** Lower-case names, each once. Latin1 values. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Key {
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface SignOptions extends Key {
  readonly time: Date;
  readonly region?: string;
  /** The names to sign; unless told `host` and every `x-amz-*`. */
  readonly signedHeaders?: readonly string[];
}

const sha256 = (text: string | Uint8Array): string =>
  createHash('sha256')
    .update(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
    .digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac('sha256', key).update(Buffer.from(text, 'latin1')).digest();

/** Percent-encodes bytes given as latin1, all but the unreserved. */
function encode(bytes: string): string {
  let out = '';
  for (const char of bytes) {
    if (/[A-Za-z0-9\-._~]/.test(char)) out += char;
    else out += `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** Undoes percent-encoding, to bytes as latin1. */
function decode(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

export function splitTarget(target: string): { readonly path: string; readonly pairs: [string, string][] } {
  const [path = '', ...rest] = target.split('?');
  const query = rest.join('?');
  const pairs = query
    .split('&')
    .filter((part) => part !== '')
    .map((part): [string, string] => {
      const [name = '', ...value] = part.split('=');
      return [decode(name.replaceAll('+', ' ')), decode(value.join('=').replaceAll('+', ' '))];
    });
  return { path, pairs };
}

export function amzDate(time: Date): string {
  return `${time.toISOString().slice(0, 19).replaceAll('-', '').replaceAll(':', '')}Z`;
}

export function signingKey(secretKey: string, day: string, region: string): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secretKey}`, day), region), 's3'), 'aws4_request');
}

/** Trims, and makes runs of blanks one. Only space and tab are blanks: other bytes are text. */
function blanks(value: string): string {
  return value
    .split(/[ \t]+/)
    .filter((word) => word !== '')
    .join(' ');
}

export function canonicalRequest(request: WireRequest, signed: readonly string[], payload: string): string {
  const { path, pairs } = splitTarget(request.target);
  const canonicalPath = path
    .split('/')
    .map((segment) => encode(decode(segment)))
    .join('/');
  const query = pairs
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort((a, b) => (a[0] === b[0] ? (a[1] < b[1] ? -1 : 1) : a[0] < b[0] ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const headers = signed.map((name) => `${name}:${blanks(request.headers[name] ?? '')}\n`);
  return [request.method, canonicalPath, query, headers.join(''), signed.join(';'), payload].join('\n');
}

export function v4Signature(
  request: WireRequest,
  options: {
    secretKey: string;
    timestamp: string;
    day: string;
    region: string;
    signed: readonly string[];
    payload: string;
  },
): string {
  const scope = `${options.day}/${options.region}/s3/aws4_request`;
  const hash = sha256(canonicalRequest(request, options.signed, options.payload));
  const text = `AWS4-HMAC-SHA256\n${options.timestamp}\n${scope}\n${hash}`;
  return hmac(signingKey(options.secretKey, options.day, options.region), text).toString('hex');
}

/** Signs in the Authorization header. `x-amz-date` and `x-amz-content-sha256` are put in unless there. */
export function signHeader(request: WireRequest, options: SignOptions): WireRequest {
  const timestamp = amzDate(options.time);
  const headers: Record<string, string> = {
    'x-amz-date': timestamp,
    'x-amz-content-sha256': sha256(''),
    ...request.headers,
  };
  const region = options.region ?? 'us-east-1';
  const signed =
    options.signedHeaders ??
    Object.keys(headers)
      .filter((name) => name === 'host' || name.startsWith('x-amz-'))
      .sort();
  const day = timestamp.slice(0, 8);
  const payload = headers['x-amz-content-sha256'] ?? '';
  const signature = v4Signature(
    { ...request, headers },
    { secretKey: options.secretKey, timestamp, day, region, signed, payload },
  );
  const credential = `${options.accessKey}/${day}/${region}/s3/aws4_request`;
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signed.join(';')}, Signature=${signature}`;
  return { ...request, headers };
}

/** Signs in the query. */
export function presign(
  request: WireRequest,
  options: SignOptions & { readonly expires?: number | string },
): WireRequest {
  const timestamp = amzDate(options.time);
  const day = timestamp.slice(0, 8);
  const region = options.region ?? 'us-east-1';
  const signed = options.signedHeaders ?? ['host'];
  const parameters = {
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${options.accessKey}/${day}/${region}/s3/aws4_request`,
    'X-Amz-Date': timestamp,
    'X-Amz-Expires': String(options.expires ?? 3600),
    'X-Amz-SignedHeaders': signed.join(';'),
  };
  const text = Object.entries(parameters).map(([name, value]) => `${name}=${encode(value)}`);
  const target = `${request.target}${request.target.includes('?') ? '&' : '?'}${text.join('&')}`;
  const unsigned = { ...request, target };
  const payload = payloadOfUrl(unsigned, signed);
  const signature = v4Signature(unsigned, { secretKey: options.secretKey, timestamp, day, region, signed, payload });
  return { ...request, target: `${target}&X-Amz-Signature=${signature}` };
}

function payloadOfUrl(request: WireRequest, signed: readonly string[]): string {
  const parameter = splitTarget(request.target).pairs.find(([name]) => name.toLowerCase() === 'x-amz-content-sha256');
  if (parameter !== undefined) return parameter[1];
  const header = request.headers['x-amz-content-sha256'];
  return signed.includes('x-amz-content-sha256') && header !== undefined ? header : 'UNSIGNED-PAYLOAD';
}

/** The string a V2 client signs for a path-style request. */
export function v2StringToSign(request: WireRequest, date: string): string {
  const { path, pairs } = splitTarget(request.target);
  const amz = Object.keys(request.headers)
    .filter((name) => name.startsWith('x-amz-'))
    .sort()
    .map((name) => `${name}:${(request.headers[name] ?? '').replace(/^[ \t]+|[ \t]+$/g, '')}\n`);
  const signedNames =
    'acl cors delete lifecycle location logging notification partNumber policy requestPayment restore tagging torrent uploadId uploads versionId versioning versions website';
  const names = new Set(signedNames.split(' '));
  const resources = pairs
    .filter(([name]) => names.has(name) || name.startsWith('response-'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`));
  const start = [request.method, request.headers['content-md5'] ?? '', request.headers['content-type'] ?? '', date];
  return `${start.join('\n')}\n${amz.join('')}${path}${resources.length > 0 ? `?${resources.join('&')}` : ''}`;
}

export function v2Signature(secretKey: string, text: string): string {
  return createHmac('sha1', secretKey).update(Buffer.from(text, 'latin1')).digest('base64');
}

/** Signs path-style in the Authorization header, version 2. */
export function signV2Header(request: WireRequest, options: Key & { readonly time: Date }): WireRequest {
  const headers: Record<string, string> = { ...request.headers };
  if (headers['x-amz-date'] === undefined && headers.date === undefined) headers.date = options.time.toUTCString();
  const date = headers['x-amz-date'] === undefined ? (headers.date ?? '') : '';
  const signature = v2Signature(options.secretKey, v2StringToSign({ ...request, headers }, date));
  headers.authorization = `AWS ${options.accessKey}:${signature}`;
  return { ...request, headers };
}

/** Signs path-style in the query, version 2. */
export function presignV2(request: WireRequest, options: Key & { readonly expires: number | string }): WireRequest {
  const signature = v2Signature(options.secretKey, v2StringToSign(request, String(options.expires)));
  const text = `AWSAccessKeyId=${options.accessKey}&Expires=${options.expires}&Signature=${encode(signature)}`;
  return { ...request, target: `${request.target}${request.target.includes('?') ? '&' : '?'}${text}` };
}

/** Whether the V4 header signature of a request holds: the verdict alone, without the reason. */
export function isHeaderAccepted(request: WireRequest, key: Key, now: Date): boolean {
  const { headers } = request;
  const match =
    /^AWS4-HMAC-SHA256 +Credential=([^,]+)\/(\d{8})\/([A-Za-z0-9_.-]+)\/s3\/aws4_request *, *SignedHeaders=([^,]+?) *, *Signature=([0-9a-f]{64}) *$/.exec(
      headers.authorization ?? '',
    );
  if (match === null) return false;
  const [, accessKey, day = '', region = '', names = '', signature] = match;
  const signed = names.split(';');
  const timestamp = headers['x-amz-date'] ?? '';
  const payload = headers['x-amz-content-sha256'] ?? '';
  const isSorted =
    names === [...new Set(signed)].sort().join(';') && names === names.toLowerCase() && !/[\s,]/.test(names);
  const mustSign = ['host', ...Object.keys(headers).filter((name) => name.startsWith('x-amz-'))];
  const isCovered = mustSign.every((name) => signed.includes(name) || name === 'x-amz-content-sha256');
  const isPayload = /^[0-9a-fA-F]{64}$|^UNSIGNED-PAYLOAD$/.test(payload);
  return (
    accessKey === key.accessKey &&
    isSorted &&
    isCovered &&
    isPayload &&
    isInTime(timestamp, day, now) &&
    v4Signature(request, { secretKey: key.secretKey, timestamp, day, region, signed, payload }) === signature
  );
}

/** Whether a V4 presigned URL holds. */
export function isUrlAccepted(request: WireRequest, key: Key, now: Date): boolean {
  const { pairs } = splitTarget(request.target);
  const values = ['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature'].map((name) => {
    const found = pairs.filter(([other]) => other.toLowerCase() === `x-amz-${name}`.toLowerCase());
    return found.length === 1 && found[0]?.[0] === `X-Amz-${name}` ? found[0][1] : '';
  });
  const [algorithm, credential = '', timestamp = '', expires = '', names = '', signature] = values;
  const parts = /^(.+)\/(\d{8})\/([A-Za-z0-9_.-]+)\/s3\/aws4_request$/.exec(credential);
  if (algorithm !== 'AWS4-HMAC-SHA256' || parts === null || !/^\d{1,6}$/.test(expires) || Number(expires) > 604800)
    return false;
  const [, accessKey, day = '', region = ''] = parts;
  const signed = names.split(';');
  const mustSign = ['host', ...Object.keys(request.headers).filter((name) => name.startsWith('x-amz-'))];
  if (!/^\d{8}T\d{6}Z$/.test(timestamp) || !timestamp.startsWith(day)) return false;
  const start = Date.parse(timestamp.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5'));
  const payload = payloadOfUrl(request, signed);
  return (
    accessKey === key.accessKey &&
    names === [...new Set(signed)].sort().join(';') &&
    names === names.toLowerCase() &&
    mustSign.every((name) => signed.includes(name)) &&
    now.getTime() < start + Number(expires) * 1000 &&
    start - now.getTime() <= 900_000 &&
    v4Signature(request, { secretKey: key.secretKey, timestamp, day, region, signed, payload }) === signature
  );
}

function isInTime(timestamp: string, day: string, now: Date): boolean {
  if (!/^\d{8}T\d{6}Z$/.test(timestamp) || !timestamp.startsWith(day)) return false;
  const time = Date.parse(timestamp.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5'));
  return Math.abs(time - now.getTime()) <= 900_000;
}

export interface Chunked {
  /** Sizes of the chunks; the empty one at the end comes by itself. */
  readonly sizes: readonly number[];
  /** `name:value` of the trailer, if there is one. */
  readonly trailer?: string;
}

/** Writes a body in signed chunks. */
export function signedChunks(body: Buffer, signed: WireRequest, options: SignOptions & Chunked): Buffer {
  const timestamp = amzDate(options.time);
  const day = timestamp.slice(0, 8);
  const region = options.region ?? 'us-east-1';
  const key = signingKey(options.secretKey, day, region);
  const head = `${timestamp}\n${day}/${region}/s3/aws4_request`;
  let previous = /Signature=([0-9a-f]+)/.exec(signed.headers.authorization ?? '')?.[1] ?? '';
  const out: Buffer[] = [];
  let at = 0;
  for (const size of [...options.sizes, 0]) {
    const data = body.subarray(at, at + size);
    at += size;
    const text = `AWS4-HMAC-SHA256-PAYLOAD\n${head}\n${previous}\n${sha256('')}\n${sha256(data)}`;
    previous = hmac(key, text).toString('hex');
    out.push(Buffer.from(`${data.length.toString(16)};chunk-signature=${previous}\r\n`), data);
    if (size > 0 || options.trailer === undefined) out.push(Buffer.from('\r\n'));
  }
  if (options.trailer !== undefined) {
    const text = `AWS4-HMAC-SHA256-TRAILER\n${head}\n${previous}\n${sha256(`${options.trailer}\n`)}`;
    const signature = hmac(key, text).toString('hex');
    out.push(Buffer.from(`${options.trailer}\r\nx-amz-trailer-signature:${signature}\r\n\r\n`));
  }
  return Buffer.concat(out);
}

/** Writes a body in chunks that are not signed. */
export function unsignedChunks(body: Buffer, options: Chunked): Buffer {
  const out: Buffer[] = [];
  let at = 0;
  for (const size of options.sizes) {
    out.push(Buffer.from(`${size.toString(16)}\r\n`), body.subarray(at, at + size), Buffer.from('\r\n'));
    at += size;
  }
  out.push(Buffer.from(`0\r\n${options.trailer === undefined ? '' : `${options.trailer}\r\n`}\r\n`));
  return Buffer.concat(out);
}
