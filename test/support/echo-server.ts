import { EventEmitter } from 'node:events';
import { peerFilter } from '../../src/http/peer-filter.ts';
import { type GatewayServer, type RequestRecord, type ServerSettings, startServer } from '../../src/http/server.ts';
import { headersOf } from '../../src/s3/headers.ts';
import type { Handler, S3Request } from '../../src/s3/message.ts';

export interface EchoServer extends GatewayServer {
  /** Requests that reached the handler. */
  readonly requests: S3Request[];
  /** Emits `request` for each of them. */
  readonly arrivals: EventEmitter;
  /** One for each request, in the order they ended. */
  readonly records: RequestRecord[];
  /** Resolves with the record of the next request that ends. */
  nextRecord(): Promise<RequestRecord>;
}

/** The HTTP layer with a handler that reads the body and says how long it was, unless another is given. */
export async function startEcho(
  options: { readonly handler?: Handler; readonly idleMs?: number } & Partial<ServerSettings> = {},
): Promise<EchoServer> {
  const requests: S3Request[] = [];
  const arrivals = new EventEmitter();
  const records: RequestRecord[] = [];
  let waiting: ((record: RequestRecord) => void)[] = [];
  const { idleMs, handler = echo, ...settings } = options;
  const server = await startServer({
    host: '127.0.0.1',
    port: 0,
    ...(idleMs !== undefined && { idleMs }),
    settings: () => ({
      domains: ['localhost'],
      isTrustedProxy: peerFilter([]),
      ...settings,
      handler: (request) => {
        requests.push(request);
        arrivals.emit('request');
        return handler(request);
      },
    }),
    onRequest: (record) => {
      records.push(record);
      const told = waiting;
      waiting = [];
      for (const tell of told) tell(record);
    },
  });
  return {
    ...server,
    requests,
    arrivals,
    records,
    nextRecord: () => new Promise((resolve) => waiting.push(resolve)),
  };
}

const echo: Handler = async ({ body }) => {
  let length = 0;
  if (body !== null && !(body instanceof Uint8Array))
    for await (const chunk of body) length += (chunk as Buffer).length;
  const text = Buffer.from(String(length));
  return { status: 200, headers: headersOf({ 'content-length': String(text.length) }), body: text };
};
