import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/**
 * A strict S3 service for tests. It checks V4 and V2 by the letter of the specification, with code of its own that
 * shares nothing with `src`, and refuses what the pickiest vendors refuse. It keeps what it takes.
 */
export interface StandInOptions {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly signature: 'v4' | 'v2';
  readonly addressing: 'path' | 'virtual';
  readonly region?: string;
  /** Its clock; the system's by default. */
  readonly now?: () => Date;
  /** Answers with an error what it would have taken. */
  readonly refuse?: (request: SeenRequest) => Refusal | undefined;
}

export interface SeenRequest {
  readonly method: string;
  /** The request target, byte for byte. */
  readonly target: string;
  /** Lower-case name to value, latin1. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface Refusal {
  readonly status: number;
  readonly code: string;
}

export interface StandIn {
  readonly port: number;
  readonly seen: SeenRequest[];
  /** `bucket/key` with the key as it was encoded, to bytes. */
  readonly objects: Map<string, Buffer>;
  close(): Promise<void>;
}

export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const seen: SeenRequest[] = [];
  const objects = new Map<string, Buffer>();
  const server = createServer(async (message, response) => {
    const request = { ...head(message), body: await buffer(message).catch(() => Buffer.alloc(0)) };
    // A body that broke off is no request.
    if (!message.complete) return;
    seen.push(request);
    const refusal = check(request, options) ?? options.refuse?.(request);
    if (refusal !== undefined) refuse(response, refusal, options);
    else answer(request, response, objects, options);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    // Listening on TCP gives an AddressInfo.
    port: (server.address() as AddressInfo).port,
    seen,
    objects,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function head(message: IncomingMessage): Omit<SeenRequest, 'body'> {
  const headers = new Map<string, string>();
  for (let index = 0; index < message.rawHeaders.length; index += 2) {
    const name = message.rawHeaders[index]?.toLowerCase() ?? '';
    const value = message.rawHeaders[index + 1] ?? '';
    headers.set(name, headers.has(name) ? `${headers.get(name)},${value}` : value);
  }
  return { method: message.method ?? '', target: message.url ?? '', headers };
}

const FORBIDDEN = /^(expect|te|trailer|x-amz-(trailer|decoded-content-length|sdk-checksum-algorithm|checksum-.*))$/;

function check(request: SeenRequest, options: StandInOptions): Refusal | undefined {
  const { headers, target } = request;
  for (const name of headers.keys()) {
    if (FORBIDDEN.test(name)) return { status: 400, code: 'InvalidArgument' };
    if (name.startsWith('amz-sdk-')) return { status: 400, code: 'InvalidArgument' };
  }
  if (/[?&]x-id=/.test(target)) return { status: 400, code: 'InvalidArgument' };
  if (headers.has('transfer-encoding')) return { status: 411, code: 'MissingContentLength' };
  if (/aws-chunked/.test(headers.get('content-encoding') ?? '')) return { status: 400, code: 'InvalidArgument' };
  const sha = headers.get('x-amz-content-sha256');
  if (options.signature === 'v4' && sha !== 'UNSIGNED-PAYLOAD' && sha !== hex(request.body)) {
    return { status: 400, code: 'XAmzContentSHA256Mismatch' };
  }
  const md5 = headers.get('content-md5');
  if (md5 !== undefined && md5 !== createHash('md5').update(request.body).digest('base64')) {
    return { status: 400, code: 'BadDigest' };
  }
  if (/[?&]delete(=|&|$)/.test(target) && md5 === undefined) return { status: 400, code: 'MissingArgument' };
  const isVirtual = /^[^.]+\.localhost/.test(headers.get('host') ?? '');
  const isService = /^\/(\?|$)/.test(target);
  if (isVirtual !== (options.addressing === 'virtual') && !isService) {
    return { status: 403, code: 'SecondLevelDomainForbidden' };
  }
  return options.signature === 'v4' ? checkV4(request, options) : checkV2(request, options);
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, step by step. */
function checkV4({ method, target, headers, body }: SeenRequest, options: StandInOptions): Refusal | undefined {
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
  const match = form.exec(headers.get('authorization') ?? '');
  if (match === null) return { status: 400, code: 'AuthorizationHeaderMalformed' };
  const [, accessKey, day = '', region = '', signedHeaders = '', signature] = match;
  if (accessKey !== options.accessKey) return { status: 403, code: 'InvalidAccessKeyId' };
  if (region !== (options.region ?? 'us-east-1')) return { status: 400, code: 'AuthorizationHeaderMalformed' };
  const stamp = headers.get('x-amz-date') ?? '';
  const time = Date.parse(stamp.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!stamp.startsWith(day) || !isNear(time, options)) return { status: 403, code: 'RequestTimeTooSkewed' };
  const names = signedHeaders.split(';');
  const required = [...headers.keys()].filter((name) => name === 'host' || name.startsWith('x-'));
  if (required.some((name) => !names.includes(name))) return { status: 403, code: 'AccessDenied' };
  if (names.some((name) => /^(accept-encoding|user-agent|expect|connection|content-length)$/.test(name))) {
    return { status: 403, code: 'AccessDenied' };
  }
  const [path = '', query = ''] = target.split(/\?(.*)/s);
  const canonicalQuery = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .sort((a, b) => (a < b ? -1 : 1))
    .join('&');
  const canonicalHeaders = names.map((name) => `${name}:${(headers.get(name) ?? '').trim().replace(/ +/g, ' ')}\n`);
  const sha = headers.get('x-amz-content-sha256') ?? hex(body);
  const canonical = [method, path, canonicalQuery, canonicalHeaders.join(''), signedHeaders, sha].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', stamp, scope, hex(Buffer.from(canonical, 'latin1'))].join('\n');
  let key: Buffer = Buffer.from(`AWS4${options.secretKey}`);
  for (const part of [day, region, 's3', 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
  const due = createHmac('sha256', key).update(toSign).digest('hex');
  return due === signature ? undefined : { status: 403, code: 'SignatureDoesNotMatch' };
}

const SUB_RESOURCES =
  /^(acl|delete|lifecycle|location|logging|notification|partNumber|policy|requestPayment|tagging|uploadId|uploads|versionId|versioning|versions|website|response-[a-z-]+)$/;

/** https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html */
function checkV2({ method, target, headers }: SeenRequest, options: StandInOptions): Refusal | undefined {
  const match = /^AWS ([^:]+):(\S+)$/.exec(headers.get('authorization') ?? '');
  if (match === null) return { status: 400, code: 'InvalidArgument' };
  if (match[1] !== options.accessKey) return { status: 403, code: 'InvalidAccessKeyId' };
  if (!isNear(Date.parse(headers.get('date') ?? ''), options)) return { status: 403, code: 'RequestTimeTooSkewed' };
  const [path = '', query = ''] = target.split(/\?(.*)/s);
  const amz = [...headers.keys()].filter((name) => name.startsWith('x-amz-')).sort();
  const subResources = query
    .split('&')
    .filter((pair) => SUB_RESOURCES.test(pair.split('=')[0] ?? ''))
    .map((pair) => Buffer.from(decodeURIComponent(pair)).toString('latin1'))
    .sort();
  const bucket = /^([^.]+)\.localhost/.exec(headers.get('host') ?? '')?.[1];
  const toSign = [
    method,
    headers.get('content-md5') ?? '',
    headers.get('content-type') ?? '',
    headers.get('date') ?? '',
    amz.map((name) => `${name}:${headers.get(name)}\n`).join('') +
      (bucket === undefined ? path : `/${bucket}${path}`) +
      (subResources.length === 0 ? '' : `?${subResources.join('&')}`),
  ].join('\n');
  const due = createHmac('sha1', options.secretKey).update(Buffer.from(toSign, 'latin1')).digest('base64');
  return due === match[2] ? undefined : { status: 403, code: 'SignatureDoesNotMatch' };
}

function isNear(time: number, { now }: StandInOptions): boolean {
  return Math.abs(time - (now?.() ?? new Date()).getTime()) <= 900_000;
}

/** As vendors do: an error that tells everything about the account. */
function refuse(response: ServerResponse, { status, code }: Refusal, options: StandInOptions): void {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>see ${options.accessKey}</Message><AWSAccessKeyId>${options.accessKey}</AWSAccessKeyId><StringToSign>CANARY</StringToSign><HostId>CANARY</HostId><Endpoint>CANARY</Endpoint></Error>`;
  response.writeHead(status, {
    date: (options.now?.() ?? new Date()).toUTCString(),
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(body),
    server: 'CANARY',
    'x-amz-id-2': 'CANARY',
  });
  response.end(body);
}

function answer(
  request: SeenRequest,
  response: ServerResponse,
  objects: Map<string, Buffer>,
  options: StandInOptions,
): void {
  const { method, target, headers, body } = request;
  const [path = '', query = ''] = target.split(/\?(.*)/s);
  const bucket = /^([^.]+)\.localhost/.exec(headers.get('host') ?? '')?.[1];
  const name = options.addressing === 'virtual' ? `${bucket}${path}` : path.slice(1);
  const isBucket = name.indexOf('/') === name.length - 1;
  const object = objects.get(name);
  if (/(^|&)delete/.test(query)) {
    respond(response, 200, '<DeleteResult></DeleteResult>');
  } else if (isBucket && method === 'GET') {
    respond(response, 200, listing(name, objects));
  } else if (method === 'PUT') {
    objects.set(name, body);
    respond(response, 200, '', { etag: etagOf(body) });
  } else if (method === 'DELETE') {
    objects.delete(name);
    response.writeHead(204).end();
  } else if (object === undefined) {
    refuse(response, { status: 404, code: 'NoSuchKey' }, options);
  } else {
    const secrets = { server: 'CANARY', 'x-amz-id-2': 'CANARY', 'set-cookie': 'CANARY=1' };
    respond(response, 200, method === 'HEAD' ? '' : object, { etag: etagOf(object), ...secrets });
  }
}

function respond(
  response: ServerResponse,
  status: number,
  body: Buffer | string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body);
}

function listing(bucket: string, objects: ReadonlyMap<string, Buffer>): string {
  const rows = [...objects.keys()]
    .filter((name) => name.startsWith(bucket))
    .sort()
    .map((name) => decodeURIComponent(name.slice(bucket.length)).replaceAll('&', '&amp;').replaceAll('<', '&lt;'))
    .map((key) => `<Contents><Key>${key}</Key></Contents>`);
  return `<ListBucketResult>${rows.join('')}</ListBucketResult>`;
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

function hex(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
