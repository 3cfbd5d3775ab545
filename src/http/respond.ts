import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { dropBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import type { Headers } from '../s3/headers.ts';
import type { S3Response } from '../s3/message.ts';
import { buildPlainXml, type XmlNode } from '../s3/xml.ts';
import { pump } from './pump.ts';
import type { SpentMemory } from './spent-memory.ts';

/** What an error document says besides the error itself. */
export interface ErrorContext {
  readonly requestId: string;
  /** The client's own path, as it sent it. */
  readonly resource: string;
}

/** A request body that was refused is read on for so long, with no longer pause, and so far. */
const LINGER_MS = 5000;
const LINGER_PAUSE_MS = 1000;
const LINGER_BYTES = 32 * 1024 * 1024;

/**
 * Turns anything thrown into the answer AWS would give: S3 XML with code, message, detail, resource and request id.
 * Whatever is not an S3Error becomes InternalError and says nothing of its cause.
 */
export function errorResponse(error: unknown, context: ErrorContext): S3Response {
  const known = error instanceof S3Error ? error : new S3Error('InternalError', { cause: error });
  const headers = new Map(known.headers ?? []);
  if (known.status === 304) return { status: 304, headers, body: null };
  const elements: XmlNode[] = [
    ['Code', known.code],
    ['Message', known.message],
    ...Object.entries(known.detail),
    ['Resource', context.resource],
    ['RequestId', context.requestId],
  ];
  const body = Buffer.from(buildPlainXml(['Error', elements]));
  headers.set('content-type', 'application/xml');
  headers.set('content-length', String(body.byteLength));
  return { status: known.status, headers, body };
}

export interface RespondOptions {
  /** Told of the bytes that were sent. */
  readonly spend: SpentMemory;
  readonly requestId: string;
  /** Ends the connection after this answer. */
  readonly closes: boolean;
  /** Whether the client may still be sending a body; not while it waits for `100 Continue`. */
  readonly mayLinger: boolean;
}

/**
 * Writes a response and consumes its body. Resolves when the last byte was handed to the socket; on any failure,
 * and when the body has another length than was announced, the socket is destroyed, so that no client takes a
 * short answer for a whole one.
 * @throws whatever broke the body, or the abort when the client has gone
 */
export async function respond(
  message: IncomingMessage,
  response: ServerResponse,
  answer: S3Response,
  options: RespondOptions,
): Promise<void> {
  const { body } = answer;
  try {
    const hasUnreadBody = !message.complete && message.headers['content-length'] !== '0' && hasFraming(message);
    // node checks the length only when told to, and would else let the next response fill up a short one.
    response.strictContentLength = true;
    response.writeHead(answer.status, wireHeaders(answer.headers, options.requestId, hasUnreadBody || options.closes));
    if (body instanceof Readable) {
      if (message.method === 'HEAD') body.destroy();
      else await pump(body, response, options.spend);
    } else if (body !== null && message.method !== 'HEAD') {
      if (!hasUnreadBody) {
        response.end(body);
        return;
      }
      response.write(body);
    }
    if (hasUnreadBody && options.mayLinger && !message.destroyed) {
      // The announced length is out, so the client has its whole answer; node would close the socket at `end`.
      response.flushHeaders();
      await drain(message);
    }
    response.end();
  } catch (error) {
    response.socket?.destroy();
    // It may fail while it goes, and has nobody left to tell.
    dropBody(body);
    throw error;
  }
}

function hasFraming(message: IncomingMessage): boolean {
  return message.headers['content-length'] !== undefined || message.headers['transfer-encoding'] !== undefined;
}

/**
 * Names as S3 writes them; those of `x-amz-` are in lower case there too. Case means nothing in HTTP, but libs3 and
 * scripts compare every letter and would miss the ETag.
 */
const SPELLED: Readonly<Record<string, string>> = Object.assign(
  Object.create(null),
  Object.fromEntries(
    [
      ...['ETag', 'Last-Modified', 'Accept-Ranges', 'Location', 'Retry-After', 'Expires', 'Cache-Control', 'Vary'],
      ...['Type', 'Length', 'Range', 'Encoding', 'Disposition', 'Language', 'MD5'].map((end) => `Content-${end}`),
    ].map((name) => [name.toLowerCase(), name]),
  ),
);

function wireHeaders(headers: Headers, requestId: string, closes: boolean): string[] {
  const flat: string[] = [];
  const length = headers.get('content-length');
  for (const [name, value] of headers) if (name !== 'content-length') flat.push(SPELLED[name] ?? name, value);
  flat.push('x-amz-request-id', requestId);
  if (closes) flat.push('connection', 'close');
  // Behind it node takes a Content-Disposition with bytes beyond ASCII for invalid.
  if (length !== undefined) flat.push(SPELLED['content-length'] ?? 'content-length', length);
  return flat;
}

/**
 * Reads on and throws away, until the client has sent all or the limits are reached. Closing at once with bytes
 * unread would make the kernel send a reset, which can overtake the answer: the client then reports a broken pipe
 * instead of the error it was given.
 */
async function drain(message: IncomingMessage): Promise<void> {
  let left = LINGER_BYTES;
  let timers: NodeJS.Timeout[] = [];
  await new Promise<void>((resolve) => {
    const pause = setTimeout(resolve, LINGER_PAUSE_MS);
    timers = [pause, setTimeout(resolve, LINGER_MS)];
    message.on('data', (chunk: Buffer) => {
      pause.refresh();
      left -= chunk.length;
      if (left < 0) resolve();
    });
    message.once('end', resolve);
    message.once('close', resolve);
    message.resume();
  });
  for (const timer of timers) clearTimeout(timer);
}
