import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { parseAddress } from '../s3/address.ts';
import { S3Error } from '../s3/error.ts';
import type { Headers } from '../s3/headers.ts';
import type { S3Request } from '../s3/message.ts';
import { resolveOperation } from '../s3/operation.ts';
import { Query } from '../s3/query.ts';
import type { PeerFilter } from './peer-filter.ts';

export interface ReceiveOptions {
  /** `BUCKET.DOMAIN` addresses a bucket. Lower case. */
  readonly domains: readonly string[];
  /** Peers whose X-Forwarded-Host and -Proto count. */
  readonly isTrustedProxy: PeerFilter;
}

/** Limits of facts/reliability-security 5.3; AWS allows 8 KiB of headers. */
const MAX_HEADERS = 100;
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_TARGET_BYTES = 8 * 1024;

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE']);

/** Fields that mean something only once. node keeps the first or joins them; two readers would disagree. */
const SINGULAR: ReadonlySet<string> = new Set([
  'authorization',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'expect',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'range',
  'transfer-encoding',
  'x-amz-content-sha256',
  'x-amz-copy-source',
  'x-amz-copy-source-range',
  'x-amz-date',
  'x-amz-decoded-content-length',
  'x-amz-security-token',
]);

/**
 * Turns what node parsed into an S3 request, refusing whatever two servers in a row could read differently.
 * @param context `openBody` gives what reads the message; called only where S3 gives a body a meaning
 * @throws S3Error for bad framing, targets, header fields and addresses
 */
export function receive(
  message: IncomingMessage,
  context: Pick<S3Request, 'id' | 'signal' | 'notes'> & { readonly openBody: () => Readable },
  options: ReceiveOptions,
): S3Request {
  checkFraming(message);
  const headers = readHeaders(message.rawHeaders);
  const peer = message.socket.remoteAddress ?? '';
  const isForwarded = options.isTrustedProxy(peer);
  const host = (isForwarded ? lastOf(headers.get('x-forwarded-host')) : undefined) ?? headers.get('host') ?? '';
  if (!/^[A-Za-z0-9._-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/.test(host)) {
    throw new S3Error('InvalidRequest', { message: 'The Host header is missing or not valid.' });
  }
  headers.set('host', host);
  const { rawPath, query } = parseTarget(message.url ?? '');
  const method = message.method ?? '';
  if (method === 'OPTIONS') throw new S3Error('AccessForbidden');
  if (!METHODS.has(method)) throw new S3Error('MethodNotAllowed', { detail: { Method: method } });
  const address = parseAddress(host, rawPath, options.domains);
  const target = { method, bucket: address.bucket, key: address.key, query, headers };
  const length = bodyLength(headers);
  const isUpload = hasBody(method, length, headers);
  // Named one by one: every request passes here, and copying by rest and spread took longer than all the rest.
  return {
    id: context.id,
    signal: context.signal,
    notes: context.notes,
    method,
    bucket: address.bucket,
    key: address.key,
    query,
    headers,
    rawPath,
    addressing: address.addressing,
    operation: resolveOperation(target),
    scheme: schemeOf(message, isForwarded ? headers : undefined),
    peer: (isForwarded ? lastOf(headers.get('x-forwarded-for')) : undefined) ?? peer,
    identity: undefined,
    body: isUpload ? context.openBody() : null,
    bodyLength: isUpload ? length : 0,
    bodyChecksum: noChecksum,
  };
}

function noChecksum(): undefined {
  return undefined;
}

function checkFraming(message: IncomingMessage): void {
  const encoding = message.headers['transfer-encoding'];
  if (encoding === undefined) return;
  // node takes `gzip, chunked` and HTTP/1.0 with chunked; a server behind or before us may frame them otherwise.
  if (message.httpVersion !== '1.1') throw new S3Error('InvalidRequest');
  if (encoding.toLowerCase() !== 'chunked') throw new S3Error('NotImplemented');
}

/** The header section, in one walk. @throws S3Error for a field that is given twice, and for too many or too long ones */
function readHeaders(raw: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  let bytes = 0;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = raw[index + 1] ?? '';
    bytes += name.length + value.length + 4;
    const earlier = headers.get(name);
    if (earlier !== undefined && SINGULAR.has(name)) {
      throw new S3Error('InvalidArgument', { message: `The header ${name} may be given only once.` });
    }
    headers.set(name, earlier === undefined ? value : `${earlier},${value}`);
  }
  if (raw.length / 2 > MAX_HEADERS || bytes > MAX_HEADER_BYTES) throw new S3Error('RequestHeaderSectionTooLarge');
  return headers;
}

function parseTarget(target: string): { readonly rawPath: string; readonly query: Query } {
  // Only origin-form, and only characters that RFC 3986 lets stand unencoded there: a fragment, a backslash or
  // raw bytes would be read differently by others. `"<>^`{|}` are sent bare by old clients and stay allowed.
  if (target.length > MAX_TARGET_BYTES || !/^\/[!"$-[\]^-~]*$/.test(target)) throw new S3Error('InvalidURI');
  const mark = target.indexOf('?');
  return {
    rawPath: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? Query.empty : Query.parse(target.slice(mark + 1)),
  };
}

function bodyLength(headers: Headers): number | undefined {
  const text = headers.get('content-length');
  if (text === undefined) return headers.has('transfer-encoding') ? undefined : 0;
  const length = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(length)) throw new S3Error('InvalidArgument');
  return length;
}

/** A body that comes with GET, HEAD or DELETE means nothing in S3 and is never handed on. */
function hasBody(method: string, length: number | undefined, headers: Headers): boolean {
  if (method !== 'PUT' && method !== 'POST') return false;
  return length === undefined || length > 0 || headers.has('transfer-encoding');
}

function schemeOf(message: IncomingMessage, forwarded: Headers | undefined): 'http' | 'https' {
  const claimed = lastOf(forwarded?.get('x-forwarded-proto'))?.toLowerCase();
  if (claimed === 'https' || claimed === 'http') return claimed;
  // Only TLS sockets have the property, and there it is always true.
  return (message.socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http';
}

/** The entry of a forwarding header that the nearest proxy wrote: each one appends, so it is the last. */
function lastOf(list: string | undefined): string | undefined {
  const last = list?.slice(list.lastIndexOf(',') + 1).trim();
  return last === '' ? undefined : last;
}
