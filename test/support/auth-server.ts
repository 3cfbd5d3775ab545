import { authenticate } from '../../src/auth/authenticate.ts';
import { peerFilter } from '../../src/http/peer-filter.ts';
import { startServer } from '../../src/http/server.ts';
import type { S3Request } from '../../src/s3/message.ts';
import { CALLER, V4_ONLY } from './auth-gate.ts';
import { bytesOf } from './request.ts';
import type { WireRequest } from './slow-verifier.ts';

/** What got through the layer and was read to its end. */
export interface Taken {
  readonly request: S3Request;
  readonly bytes: Buffer;
}

export interface AuthServer {
  readonly port: number;
  /** The Host that requests are signed for. */
  readonly host: string;
  readonly taken: Taken[];
  /** How often the handler behind the layer was called at all. */
  calls(): number;
}

type Tap = { teardown(end: () => Promise<void>): void };

/** The HTTP server with the signature check, over a handler that only reads the body. */
export async function startAuthServer(
  t: Tap,
  options: { readonly domains?: readonly string[]; readonly trustedProxies?: readonly string[] } = {},
): Promise<AuthServer> {
  const { domains = [], trustedProxies = [] } = options;
  const known = new Map([CALLER, V4_ONLY].map((credential) => [credential.accessKey, credential]));
  const taken: Taken[] = [];
  let calls = 0;
  const layer = authenticate({
    credentials: (accessKey) => known.get(accessKey),
    domains,
    now: () => new Date(),
    allowAnonymous: () => false,
  });
  const handler = layer(async (request) => {
    calls++;
    taken.push({ request, bytes: await bytesOf(request.body) });
    return { status: 200, headers: new Map([['etag', '"x"']]), body: null };
  });
  const isTrustedProxy = peerFilter(trustedProxies);
  const settings = { handler, domains, isTrustedProxy };
  const server = await startServer({
    host: '127.0.0.1',
    port: 0,
    settings: () => settings,
    onRequest: () => undefined,
  });
  t.teardown(() => server.close(0));
  return { port: server.port, host: `127.0.0.1:${server.port}`, taken, calls: () => calls };
}

/** A request as bytes. Nothing is added. */
export function rawRequest(request: WireRequest, body: Buffer | string = ''): Buffer {
  const fields = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${request.method} ${request.target} HTTP/1.1\r\n${fields.join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), typeof body === 'string' ? Buffer.from(body, 'latin1') : body]);
}

/** A body in HTTP's own chunks. */
export function httpChunks(body: Buffer, size: number): Buffer {
  const out: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const chunk = body.subarray(at, at + size);
    out.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  out.push(Buffer.from('0\r\n\r\n'));
  return Buffer.concat(out);
}
