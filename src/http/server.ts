import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { S3Error, type S3ErrorCode } from '../s3/error.ts';
import type { Handler, S3Request } from '../s3/message.ts';
import type { PeerFilter } from './peer-filter.ts';
import { ProgressWatch } from './progress.ts';
import { receive } from './receive.ts';
import { RequestBody } from './request-body.ts';
import { errorResponse, respond } from './respond.ts';
import type { SpentMemory } from './spent-memory.ts';

export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** PEM. With it the port speaks HTTPS only. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Asked anew for each request, so that a reload counts from the next request on. */
  readonly settings: () => ServerSettings;
  /** Called once for every request, when its last byte is out or its socket is gone. */
  readonly onRequest: (record: RequestRecord) => void;
  /** Told of the bytes of bodies that have passed. */
  readonly spend?: SpentMemory;
  /** How long the client may make no progress, in milliseconds; 30,000 unless told. */
  readonly idleMs?: number;
}

export interface ServerSettings {
  readonly handler: Handler;
  readonly domains: readonly string[];
  readonly isTrustedProxy: PeerFilter;
}

/** One request, for the access log and metrics. */
export interface RequestRecord {
  readonly id: string;
  readonly method: string;
  readonly operation: string;
  readonly bucket: string | undefined;
  readonly peer: string;
  /** 0 when the client went away before an answer. */
  readonly status: number;
  /** Wall time, in milliseconds. */
  readonly durationMs: number;
  /** On the wire since the connection's last request, heads included. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly notes: ReadonlyMap<string, string | number>;
  /** What was thrown, when something was. */
  readonly error: unknown;
  /** The client left before it had the whole answer, and what was thrown came of that. */
  readonly isClientGone: boolean;
}

export interface GatewayServer {
  readonly port: number;
  /** Replaces the certificate, for connections to come. */
  setTls(tls: { readonly cert: string; readonly key: string }): void;
  /**
   * Stops accepting, lets requests under way finish for up to `drainMs`, then cuts them.
   * Resolves when every socket is closed.
   */
  close(drainMs: number): Promise<void>;
}

/** An upload must move this many bytes in each idle period (facts 5.3: 1 KiB/s over 30 s). */
const MIN_UPLOAD_BYTES_PER_SECOND = 1024;

const NODE_OPTIONS = {
  maxHeaderSize: 16 * 1024,
  // 0: a steady upload may take hours. ProgressWatch ends those that stand still.
  requestTimeout: 0,
  headersTimeout: 15_000,
  // Longer than the 60 s of common load balancers: they, not we, must close idle connections.
  keepAliveTimeout: 75_000,
  noDelay: true,
  insecureHTTPParser: false,
  // node would refuse by itself, without S3's error. `receive` wants a Host too, and in HTTP/1.0 as well.
  requireHostHeader: false,
} as const;

/**
 * Listens for S3 requests over HTTP/1.1 and answers each through the handler.
 * @throws the listen error, such as EADDRINUSE
 */
export async function startServer(options: ServerOptions): Promise<GatewayServer> {
  const server = options.tls ? createTlsServer({ ...NODE_OPTIONS, ...options.tls }) : createServer(NODE_OPTIONS);
  // node would silently drop headers past the count, yet still frame the body by them (CVE-2026-58044).
  server.maxHeadersCount = 0;
  server.maxRequestsPerSocket = 0;
  const idleMs = options.idleMs ?? 30_000;
  const minBytes = (MIN_UPLOAD_BYTES_PER_SECOND * idleMs) / 1000;
  const watch = new ProgressWatch({ idleMs, minBytes });
  const spend = options.spend ?? (() => undefined);
  let isDraining = false;
  const connections = new WeakMap<Socket, Connection>();
  const onRequest = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { socket } = message;
    const connection = connections.get(socket) ?? { running: 0, message, response, bytesRead: 0, bytesWritten: 0 };
    connections.set(socket, Object.assign(connection, { running: connection.running + 1, message, response }));
    const settings = options.settings();
    const isDrainingNow = () => isDraining;
    const record = await answer({ message, response, connection, settings, watch, spend, isDraining: isDrainingNow });
    connection.running--;
    options.onRequest(record);
  };
  server.on('request', onRequest);
  server.on('checkContinue', onRequest);
  server.on('checkExpectation', onRequest);
  server.on('connect', (_message: IncomingMessage, socket: Socket) => refuse('MethodNotAllowed', socket));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else if (isAnswering(connections.get(socket))) socket.destroySoon();
    else refuse(PARSER_ERRORS.get(error.code ?? '') ?? 'InvalidRequest', socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  // A TCP server's address is never a pipe name.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    setTls: (tls) => {
      if ('setSecureContext' in server) server.setSecureContext(tls);
    },
    close: (drainMs) => {
      isDraining = true;
      return close(server, watch, drainMs);
    },
  };
}

/** What is known of one client's connection. */
interface Connection {
  /** Requests under way. More than one where the client does not wait for answers. */
  running: number;
  /** The latest of them. */
  message: IncomingMessage;
  response: ServerResponse;
  /** Bytes that ended requests have accounted for: a head is read before its request is known. */
  bytesRead: number;
  bytesWritten: number;
}

/** Whether some answer is not whole yet: an error written now would be read as a part of it. */
function isAnswering(connection: Connection | undefined): boolean {
  if (connection === undefined || connection.running === 0) return false;
  const { running, message, response } = connection;
  // What is wrong may be the body of the one request under way, and its answer has not begun.
  return running > 1 || response.headersSent || message.complete;
}

interface Exchange {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly connection: Connection;
  readonly settings: ServerSettings;
  readonly watch: ProgressWatch;
  readonly spend: SpentMemory;
  readonly isDraining: () => boolean;
}

/** Runs one request to its end and says what became of it. Never rejects: here anything thrown becomes an answer. */
async function answer(exchange: Exchange): Promise<RequestRecord> {
  const { message, response, connection, settings } = exchange;
  const started = performance.now();
  const { socket } = message;
  const abort = new AbortController();
  // Only when the answer is not out: making the reason's stack costs a tenth of a small request.
  response.once('close', () => {
    if (!response.writableFinished) abort.abort();
  });
  const id = newRequestId();
  const { signal } = abort;
  const notes = new Map<string, string | number>();
  let body: RequestBody | undefined;
  const unwatch = exchange.watch.watch(message, response, () => {
    body?.destroy(new S3Error('RequestTimeout'));
  });
  let request: S3Request | undefined;
  let error: unknown;
  let isClientGone = false;
  try {
    const answered = await (async () => {
      try {
        const openBody = () => {
          body = new RequestBody(message, response, exchange.spend);
          return body;
        };
        request = receive(message, { id, signal, notes, openBody }, settings);
        return await settings.handler(request);
      } catch (thrown) {
        error = thrown;
        // Nobody is there to be told, and what failed did so for that.
        if (signal.aborted) throw thrown;
        return errorResponse(thrown, { requestId: id, resource: resourceOf(message) });
      }
    })();
    body?.destroy();
    await respond(message, response, answered, {
      requestId: id,
      spend: exchange.spend,
      closes: exchange.isDraining(),
      mayLinger: body?.isHeldBack !== true,
    });
  } catch (thrown) {
    error ??= thrown;
    isClientGone = signal.aborted;
  } finally {
    body?.destroy();
    unwatch();
  }
  const bytesReceived = socket.bytesRead - connection.bytesRead;
  const bytesSent = socket.bytesWritten - connection.bytesWritten;
  Object.assign(connection, { bytesRead: socket.bytesRead, bytesWritten: socket.bytesWritten });
  return {
    id,
    method: message.method ?? '',
    operation: request?.operation ?? 'Unknown',
    bucket: request?.bucket,
    peer: request?.peer ?? socket.remoteAddress ?? '',
    status: response.headersSent ? response.statusCode : 0,
    durationMs: performance.now() - started,
    bytesReceived,
    bytesSent,
    notes,
    error,
    isClientGone,
  };
}

function newRequestId(): string {
  // Node draws these from a pool; randomBytes would ask the kernel for each request. Both ends are random throughout.
  const id = randomUUID();
  return (id.slice(0, 8) + id.slice(28)).toUpperCase();
}

function resourceOf(message: IncomingMessage): string {
  return (message.url ?? '').split('?', 1)[0] ?? '';
}

/** What never becomes a request is answered with S3's error too, and the socket closed. */
function refuse(code: S3ErrorCode, socket: Socket): void {
  const requestId = newRequestId();
  const { status, headers, body } = errorResponse(new S3Error(code), { requestId, resource: '' });
  const fields = [...headers, ['x-amz-request-id', requestId], ['connection', 'close']];
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const text = body instanceof Uint8Array ? body.toString() : '';
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${head}\r\n${text}`);
}

const PARSER_ERRORS = new Map([
  ['HPE_HEADER_OVERFLOW', 'RequestHeaderSectionTooLarge'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'RequestTimeout'],
] as const) as ReadonlyMap<string, S3ErrorCode>;

async function close(server: Server, watch: ProgressWatch, drainMs: number): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), drainMs);
  try {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    });
  } finally {
    clearTimeout(cut);
    watch.close();
  }
}
