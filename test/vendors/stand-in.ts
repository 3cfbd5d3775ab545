import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Blobs } from './kernel/blobs.ts';
import type { Context } from './kernel/context.ts';
import { type Answer, type Asked, readHead, VendorError } from './kernel/message.ts';
import { operationOf } from './kernel/operation.ts';
import { checkSignature, type KeyPair } from './kernel/signature.ts';
import type { Buckets } from './kernel/store.ts';
import { STAND_INS, type StandInName } from './rows.ts';
import { EARLY_RULES, errorDocument, RULES } from './rules.ts';
import type { Strictness } from './strictness.ts';

export const STAND_IN_KEY: KeyPair = { accessKey: 'VENDORACCESSKEY', secretKey: 'vendor-secret-key-of-no-value' };

/** One request that was not served, for tests and the compatibility table. */
export interface Refused {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export interface StandIn {
  readonly row: Strictness;
  readonly port: number;
  /** `HOST.localhost:PORT`, as an endpoint. */
  readonly endpoint: string;
  readonly buckets: Buckets;
  readonly blobs: Blobs;
  /** Every answer of 400 and above, in order. */
  readonly refused: Refused[];
  /** The heads of all requests, in order. */
  readonly requests: Asked[];
  close(): Promise<void>;
}

/**
 * Starts a vendor's stand-in on a free port of the loopback.
 * @param changes fields of the row to change: limits small enough for a test
 */
export async function startStandIn(name: StandInName, changes: Partial<Strictness> = {}): Promise<StandIn> {
  const row: Strictness = { ...STAND_INS[name], ...changes };
  const folder = mkdtempSync(join(tmpdir(), `stand-in-${name}-`));
  const blobs = new Blobs(folder);
  const buckets: Buckets = new Map();
  const refused: Refused[] = [];
  const requests: Asked[] = [];
  const serviceHost = `${row.host}.localhost`;

  async function serve(request: IncomingMessage, response: ServerResponse, expects: boolean): Promise<void> {
    const requestId = randomBytes(8).toString('hex').toUpperCase();
    const headers = Object.fromEntries(
      Object.entries(row.answerHeaders).map(([header, value]) => [header, value.replace('{requestId}', requestId)]),
    );
    let asked: Asked | undefined;
    try {
      asked = readHead(request, serviceHost, row.virtual === 'served');
      requests.push(asked);
      const answer = await answerTo(asked, () => {
        if (expects && row.answersContinue) response.writeContinue();
      });
      await send(response, { ...answer, headers: { ...headers, ...answer.headers } });
    } catch (error) {
      const shown =
        error instanceof VendorError
          ? error
          : new VendorError(500, 'StandInFault', String(error instanceof Error ? error.stack : error));
      const { status, code, message } = shown;
      const { bucket = '', host = '', target = '' } = asked ?? {};
      if (status >= 400)
        refused.push({
          method: request.method ?? '',
          target: request.url ?? '',
          headers: asked?.headers ?? {},
          status,
          code,
          message,
        });
      if (response.headersSent) return void response.destroy();
      const body = errorDocument(shown, row, {
        bucket,
        host: serviceHost,
        resource: target.split('?')[0] ?? host,
        requestId,
      });
      for (const [header, value] of Object.entries(row.errorHeaders)) headers[header] = value;
      const isSilent = request.method === 'HEAD' || status === 304;
      if (!request.complete) headers.connection = 'close';
      await send(response, { status, headers, ...(!isSilent && { body }) });
    } finally {
      request.resume();
    }
  }

  async function answerTo(asked: Asked, goOn: () => void): Promise<Answer> {
    for (const rule of Object.values(EARLY_RULES)) raise(rule(asked, row));
    const now = new Date();
    const signed = checkSignature(asked, STAND_IN_KEY, now);
    for (const rule of Object.values(RULES)) raise(rule(asked, row, signed));
    goOn();
    const context: Context = { asked, signed, row, buckets, blobs, now };
    return await operationOf(context)(context);
  }

  const server = createServer({ requestTimeout: 0 });
  const listener = (expects: boolean) => (request: IncomingMessage, response: ServerResponse) => {
    serve(request, response, expects).catch(() => response.destroy());
  };
  server.on('request', listener(false));
  server.on('checkContinue', listener(true));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A TCP server's address is never a string.
  const { port } = server.address() as AddressInfo;
  return {
    row,
    port,
    endpoint: `${serviceHost}:${port}`,
    buckets,
    blobs,
    refused,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function raise(error: VendorError | undefined): void {
  if (error !== undefined) throw error;
}

async function send(response: ServerResponse, { status, headers = {}, body }: Answer): Promise<void> {
  const isText = typeof body === 'string';
  const isHead = response.req.method === 'HEAD';
  const length = isText ? { 'content-type': 'application/xml', 'content-length': String(Buffer.byteLength(body)) } : {};
  response.writeHead(status, {
    ...length,
    ...(body === undefined && !isHead && status !== 204 && status !== 304 && { 'content-length': '0' }),
    ...headers,
  });
  if (body instanceof Readable) await pipeline(body, response);
  else response.end(body);
}
