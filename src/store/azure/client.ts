import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { IncomingResponse, Transport } from '../../http/transport.ts';
import { S3Error } from '../../s3/error.ts';
import { AnswerFailure, TransportFailure } from '../../s3/failure.ts';
import { type Headers, headersOf } from '../../s3/headers.ts';
import type { Body } from '../../s3/message.ts';
import { encodeKey, encodeUri } from '../../s3/uri.ts';
import { parseXml, type XmlElement } from '../../s3/xml.ts';
import type { AzureAccount } from './account.ts';
import { readFault } from './errors.ts';
import { sharedKeyAuthorization } from './shared-key.ts';

/** One request of the Blob service's REST interface. */
export interface AzureRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Without one, the account itself. */
  readonly container?: string | undefined;
  readonly blob?: string | undefined;
  /** Decoded. */
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Consumed or destroyed. */
  readonly body?: Body;
  /** Bytes in a body that is a stream. */
  readonly bodyLength?: number;
  /** Of the service's interface, where an answer is wanted that later ones do not give. */
  readonly version?: string | undefined;
  /** May be sent again after trouble of unknown outcome. GET and HEAD always may; nothing with a stream ever is. */
  readonly isRepeatable?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The part of a logger that the store uses. */
export interface AzureLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface AzureClientOptions {
  readonly account: AzureAccount;
  readonly transport: Transport;
  readonly now: () => Date;
  readonly log: AzureLog;
  /** Most further attempts after the first. */
  readonly retries: number;
  /** A number from 0 to 1; for tests. */
  readonly random?: () => number;
  /** Waits so many milliseconds, or rejects when the signal aborts; for tests. */
  readonly sleep?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<unknown>;
}

export interface AzureClient {
  /**
   * Sends a request, again where that is safe.
   * @returns an answer with a status below 300; its body belongs to the caller
   * @throws S3Error for what Azure refused, with an `AnswerFailure` as cause, or for trouble on the way there, with
   *   a `TransportFailure`
   */
  send(request: AzureRequest): Promise<IncomingResponse>;
  /** As `send`, for requests whose answer has nothing but headers to tell. */
  head(request: AzureRequest): Promise<Headers>;
  /** As `send`, for requests whose answer is to be read whole. */
  read(request: AzureRequest): Promise<Buffer>;
  /** As `read`, for a document. */
  document(request: AzureRequest): Promise<XmlElement>;
  /** The absolute URL of a blob, for `x-ms-copy-source`; it carries the SAS, where that is how we are let in. */
  sourceUrl(container: string, blob: string): string;
  /** The time by the service's clock, as far as it is known to differ from ours. */
  clock(): Date;
  readonly account: AzureAccount;
}

/**
 * Newest first. The first is the oldest that knows `startFrom`; clouds that lag behind answer by the others what we
 * need all the same.
 */
const VERSIONS = ['2026-02-06', '2023-11-03', '2021-12-02', '2020-10-02'] as const;

/** 50,000 blocks, each with its name and size, take about 8 MiB. */
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024;

const BASE_DELAY = 100;
const LONGEST_DELAY = 5_000;
/** Seconds. Whoever asks to be left alone for longer is, and the client is told. */
const LONGEST_RETRY_AFTER = 5;
/** Azure refuses dates that are 15 minutes off; what is less is not the clock. */
const SKEW = 5 * 60_000;

/** Talks to one account. It knows no object and no bucket. */
export function createAzureClient(options: AzureClientOptions): AzureClient {
  const { account, transport, now, log } = options;
  const random = options.random ?? Math.random;
  const sleep = options.sleep ?? ((milliseconds, signal) => delay(milliseconds, undefined, signal && { signal }));
  let version = 0;
  let clockOffset = 0;

  async function attempt(request: AzureRequest): Promise<IncomingResponse> {
    const { method, container, blob, body = null, bodyLength } = request;
    const path = `${account.basePath}/${container ?? ''}${blob === undefined ? '' : `/${encodeKey(blob)}`}`;
    const query = Object.entries(request.query ?? {}).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as const],
    );
    const { origin } = account;
    // Others that are under way learn too: what this one was sent with is what its refusal is about.
    const [sentVersion, sentAt] = [version, clock()];
    const headers = headersOf({
      host: authority(account),
      ...request.headers,
      'x-ms-date': sentAt.toUTCString(),
      'x-ms-version': request.version ?? VERSIONS[sentVersion],
    });
    const contentLength = body instanceof Uint8Array ? body.byteLength : body === null ? 0 : (bodyLength ?? 0);
    if (account.credential.kind === 'shared-key') {
      const signable = { method, path, query, headers, contentLength };
      headers.set('authorization', sharedKeyAuthorization(account.name, account.credential.key, signable));
    } else if (account.credential.kind === 'bearer') {
      headers.set('authorization', `Bearer ${await account.credential.token()}`);
    }
    const text = query.map(([name, value]) => `${name}=${encodeUri(value)}`);
    if (account.credential.kind === 'sas') text.push(account.credential.token);
    const target = text.length === 0 ? path : `${path}?${text.join('&')}`;
    const response = await transport.request({
      origin,
      method,
      path: target,
      headers,
      body,
      bodyLength,
      signal: request.signal ?? new AbortController().signal,
    });
    if (response.status < 300) return response;
    const { error, fault } = await readFault(response, { hasBlob: blob !== undefined });
    // The answer to HEAD does not say which header; no other that is sent with one can be at fault.
    const headerName = fault.headerName ?? (method === 'HEAD' ? 'x-ms-version' : undefined);
    const isVersion = fault.code === 'InvalidHeaderValue' && headerName === 'x-ms-version';
    if (isVersion && request.version === undefined && sentVersion < VERSIONS.length - 1) {
      version = Math.max(version, sentVersion + 1);
      throw new StaleAssumption(error);
    }
    if (fault.code === 'AuthenticationFailed' && isClockOff(sentAt, response.headers.get('date'))) {
      throw new StaleAssumption(error);
    }
    if (response.status === 401 || response.status === 403) {
      log.error({ azure: fault.code, status: response.status }, 'Azure does not let us in');
    }
    throw error;
  }

  function clock(): Date {
    return new Date(now().getTime() + clockOffset);
  }

  /** Learns the service's clock where ours is the reason why it refused what was sent at that time of ours. */
  function isClockOff(sentAt: Date, date: string | undefined): boolean {
    const theirs = Date.parse(date ?? '');
    if (Number.isNaN(theirs) || Math.abs(theirs - sentAt.getTime()) < SKEW) return false;
    const offset = theirs - now().getTime();
    const isNews = Math.abs(offset - clockOffset) >= SKEW;
    clockOffset = offset;
    if (isNews) log.warn({ date }, 'Azure has another clock; signing by it from now on');
    return true;
  }

  return {
    account,
    clock,
    send,
    async head(request) {
      const { headers, body } = await send(request);
      // Read on, so that the connection can be used again; what it might still say has no bearing.
      body.on('error', () => undefined).resume();
      return headers;
    },
    read,
    async document(request) {
      try {
        return parseXml(await read(request));
      } catch (cause) {
        if (cause instanceof S3Error && cause.code !== 'MalformedXML') throw cause;
        throw new S3Error('ServiceUnavailable', { cause });
      }
    },
    sourceUrl(container, blob) {
      const token = account.credential.kind === 'sas' ? `?${account.credential.token}` : '';
      return `${account.origin.protocol}://${authority(account)}${account.basePath}/${container}/${encodeKey(blob)}${token}`;
    },
  };

  async function read(request: AzureRequest): Promise<Buffer> {
    return exchange(request, async ({ body }) => {
      const chunks: Uint8Array[] = [];
      let size = 0;
      try {
        for await (const chunk of body) {
          size += chunk.byteLength;
          if (size > MAX_DOCUMENT_BYTES)
            throw new S3Error('ServiceUnavailable', { cause: new Error('too long an answer') });
          chunks.push(chunk);
        }
      } catch (error) {
        if (error instanceof S3Error || request.signal?.aborted) throw error;
        throw new S3Error('ServiceUnavailable', { cause: new TransportFailure('exchange', 'BROKEN_ANSWER', error) });
      }
      return Buffer.concat(chunks, size);
    });
  }

  function send(request: AzureRequest): Promise<IncomingResponse> {
    return exchange(request, async (response) => response);
  }

  /** Sends a request until its answer could be used, or will not be. */
  async function exchange<T>(request: AzureRequest, use: (response: IncomingResponse) => Promise<T>): Promise<T> {
    const isReplayable = request.body === undefined || request.body === null || request.body instanceof Uint8Array;
    for (let tries = 0; ; tries++) {
      try {
        return await use(await attempt(request));
      } catch (error) {
        if (request.body instanceof Readable) request.body.destroy();
        if (error instanceof StaleAssumption) {
          if (!isReplayable) throw new S3Error('ServiceUnavailable', { cause: error.refusal.cause });
          if (tries <= options.retries + VERSIONS.length) continue;
          throw error.refusal;
        }
        const wait = isReplayable ? waitAfter(error, request) : undefined;
        if (wait === undefined || tries >= options.retries || request.signal?.aborted) throw error;
        const pause = Math.max(wait, random() * Math.min(LONGEST_DELAY, BASE_DELAY * 2 ** tries));
        await sleep(pause, request.signal).catch((cause: unknown) => {
          throw request.signal?.aborted === true ? request.signal.reason : cause;
        });
      }
    }
  }
}

function authority({ origin: { protocol, host, port } }: AzureAccount): string {
  return port === (protocol === 'https' ? 443 : 80) ? host : `${host}:${port}`;
}

/** A refusal for something that we know better now: the same request may go at once. */
class StaleAssumption extends Error {
  readonly refusal: S3Error;

  constructor(refusal: S3Error) {
    super('refused for what is corrected now', { cause: refusal });
    this.name = 'StaleAssumption';
    this.refusal = refusal;
  }
}

/** The least wait in milliseconds before the next try; undefined where there is to be none. */
function waitAfter(error: unknown, request: AzureRequest): number | undefined {
  if (!(error instanceof S3Error)) return undefined;
  const isRepeatable = request.method === 'GET' || request.method === 'HEAD' || request.isRepeatable === true;
  const { cause } = error;
  if (cause instanceof TransportFailure && cause.isSilence) return undefined;
  if (cause instanceof TransportFailure) return cause.phase === 'connect' || isRepeatable ? 0 : undefined;
  if (!(cause instanceof AnswerFailure) || !isRepeatable) return undefined;
  const isPassing = cause.status === 429 || cause.status === 500 || cause.status === 502 || cause.status === 503;
  if (!isPassing && cause.status !== 504) return undefined;
  const seconds = cause.retryAfter ?? 0;
  return seconds > LONGEST_RETRY_AFTER ? undefined : seconds * 1000;
}
