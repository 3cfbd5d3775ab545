import { lookup as dnsLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { buildConnector, Pool } from 'undici';
import { S3Error } from '../s3/error.ts';
import { TransportFailure } from '../s3/failure.ts';
import { type Headers, headersFromRaw } from '../s3/headers.ts';
import type { Body } from '../s3/message.ts';
import { Exchange } from './exchange.ts';

/** A server to talk to. `host` is a name or an address, IPv6 in square brackets. */
export interface Origin {
  readonly protocol: 'http' | 'https';
  readonly host: string;
  readonly port: number;
}

export interface TransportOptions {
  /** PEM certificates to trust instead of the system's. */
  readonly ca?: string | Buffer;
  /** Name to ask for and check in TLS, where it is not the host. */
  readonly servername?: string;
  /** Milliseconds for TCP and TLS together. Default 5 s. */
  readonly connectTimeout?: number;
  /** Milliseconds without a byte, before the headers or within a body; no limit on the whole. Default 60 s. */
  readonly idleTimeout?: number;
  /** Milliseconds an unused connection is kept; below what servers use, so that they do not close it under us. */
  readonly keepAlive?: number;
  /** Most connections to one origin. Default 256. */
  readonly connections?: number;
  /** Name resolution; the system's by default. */
  readonly lookup?: LookupFunction;
}

export interface OutgoingRequest {
  readonly origin: Origin;
  readonly method: string;
  /** Path and query, percent-encoded ASCII; sent byte for byte. */
  readonly path: string;
  /** Complete but for `content-length`, which comes from the body. `host` must be there. */
  readonly headers: Headers;
  /** Consumed or destroyed by the transport. */
  readonly body: Body;
  /** Bytes in a body that is a stream. */
  readonly bodyLength: number | undefined;
  readonly signal: AbortSignal;
}

export interface IncomingResponse {
  readonly status: number;
  readonly headers: Headers;
  /** How the end of the body is known. `close` means it is not: a cut looks like an end. */
  readonly framing: 'length' | 'chunked' | 'none' | 'close';
  /** Belongs to the caller. Fails when the connection ends before the body does. */
  readonly body: Readable;
}

export interface Transport {
  /**
   * Sends one request, once: no retry, no redirect, no cache, no decompression.
   * @throws S3Error whose cause is a `TransportFailure`; the S3Error that a request body failed with;
   * the signal's reason when it aborted
   */
  request(request: OutgoingRequest): Promise<IncomingResponse>;
  /** Ends idle connections; those in use when their requests have ended. */
  close(): Promise<void>;
}

/** Every bucket is a host of its own in virtual-hosted style: pools must not grow without end. */
const MAX_POOLS = 256;
const MAX_HEADER_BYTES = 32 * 1024;

/** Pools of connections, one per origin. Close it when done. */
export function createTransport(options: TransportOptions = {}): Transport {
  const pools = new Map<string, Pool>();
  const idleTimeout = options.idleTimeout ?? 60_000;
  const connector = buildConnector({
    allowH2: false,
    timeout: options.connectTimeout ?? 5_000,
    minVersion: 'TLSv1.2',
    autoSelectFamily: true,
    lookup: options.lookup ?? lookup,
    ...(options.ca !== undefined && { ca: options.ca }),
    ...(options.servername !== undefined && { servername: options.servername }),
  });
  /** Marks errors of this phase, for only here is it certain that nothing was sent. */
  const connect: buildConnector.connector = (target, callback) => {
    connector(target, (...[error, socket]) => {
      if (error === null) callback(null, socket);
      else callback(new TransportFailure('connect', errorCode(error), error), null);
    });
  };

  function poolOf(origin: Origin): Pool {
    const key = `${origin.protocol}://${origin.host}:${origin.port}`;
    const pool = pools.get(key) ?? newPool(key);
    pools.delete(key);
    pools.set(key, pool);
    const [oldest] = pools;
    if (pools.size > MAX_POOLS && oldest !== undefined) {
      pools.delete(oldest[0]);
      void oldest[1].close();
    }
    return pool;
  }

  function newPool(origin: string): Pool {
    return new Pool(origin, {
      connect,
      connections: options.connections ?? 256,
      pipelining: 1,
      headersTimeout: idleTimeout,
      bodyTimeout: idleTimeout,
      keepAliveTimeout: options.keepAlive ?? 4_000,
      maxHeaderSize: MAX_HEADER_BYTES,
      strictContentLength: true,
    });
  }

  return {
    async request(outgoing) {
      const { body, bodyLength, signal } = outgoing;
      try {
        if (body instanceof Readable && bodyLength !== 0) await firstByte(body, signal);
        const exchange = new Exchange(signal);
        poolOf(outgoing.origin).dispatch(
          {
            method: outgoing.method,
            path: outgoing.path,
            headers: headerList(outgoing),
            body,
            // undici closes after every HEAD unless told not to; clients ask for little else before each transfer.
            reset: false,
          },
          exchange,
        );
        const answer = await exchange.answer;
        const headers = headersFromRaw(answer.rawHeaders);
        const framing = framingOf(outgoing.method, answer.status, headers);
        return { status: answer.status, headers, framing, body: answer.body };
      } catch (error) {
        if (body instanceof Readable) body.on('error', ignore).destroy();
        throw toS3Error(error, signal);
      }
    },
    async close() {
      const closing = [...pools.values()];
      pools.clear();
      await Promise.all(closing.map((pool) => pool.close()));
    },
  };
}

/**
 * Waits until a stream has its first byte. Given one that has ended already, undici says `content-length: 0`, whatever
 * was declared: the server would make an empty object of a broken upload. What ends later is found in time.
 * @throws S3Error IncompleteBody when it ends without one; what it fails with
 */
function firstByte(body: Readable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      body.off('readable', onReadable).off('error', settle).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onReadable = () => settle(body.readableLength > 0 ? undefined : new S3Error('IncompleteBody'));
    const onClose = () => settle(body.errored ?? new S3Error('IncompleteBody'));
    const onAbort = () => settle(signal.reason);
    if (body.readableLength > 0) return resolve();
    if (body.readableEnded || body.destroyed) return onClose();
    body.on('readable', onReadable).on('error', settle).on('close', onClose);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}

function headerList({ headers, body, bodyLength }: OutgoingRequest): string[] {
  const list: string[] = [];
  for (const [name, value] of headers) list.push(name, value);
  if (body instanceof Readable && bodyLength !== undefined) list.push('content-length', String(bodyLength));
  return list;
}

function framingOf(method: string, status: number, headers: Headers): IncomingResponse['framing'] {
  if (method === 'HEAD' || status === 204 || status === 304) return 'none';
  if (headers.has('transfer-encoding')) return 'chunked';
  return headers.has('content-length') ? 'length' : 'close';
}

/** Everything that goes wrong between us and a storage is 503 to the client, and its reason only in the log. */
function toS3Error(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof S3Error) return error;
  if (errorCode(error) === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH')
    return new S3Error('IncompleteBody', { cause: error });
  const failure = error instanceof TransportFailure ? error : new TransportFailure('exchange', errorCode(error), error);
  return new S3Error('ServiceUnavailable', { cause: failure });
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN';
}

/** Names under `localhost` are this machine, by RFC 6761 section 6.3; not every resolver knows it. */
const lookup: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname.toLowerCase().endsWith('.localhost') ? 'localhost' : hostname, options, callback);
};

/** What a body that nobody wants any more still has to say was said by the error that ended the request. */
function ignore(): void {}
