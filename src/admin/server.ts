import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { urlHost } from '../config/listen.ts';
import { answerCacheApi } from './cache-api.ts';
import { answerCleanupApi } from './cleanup-api.ts';
import { renderPage } from './page.ts';
import type { AdminSources, StorageHealth } from './sources.ts';

export interface AdminOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly token: string;
  /** Told of what was answered with 500. */
  readonly onFailure: (error: unknown) => void;
}

export interface AdminServer {
  readonly url: string;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const COOKIE = 'sluice_token';
const PAGES: ReadonlySet<string> = new Set(['/', '/metrics']);

/** Nothing from elsewhere runs in the page, and no other site may frame it or read it. */
const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

/**
 * Serves health, readiness, metrics, the APIs of cache and clean-up, and the page, on a port of its own, never the S3 one. All but `/healthz` and
 * `/readyz` want the token. Without it in the Authorization header, the Host must be an address or the name listened on,
 * against DNS rebinding.
 */
export async function startAdmin(options: AdminOptions, sources: AdminSources): Promise<AdminServer> {
  const server = createServer((message, response) => void handle(message, response));
  const handle = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const answer = await respond(message, options, sources).catch((error): Answer => {
      options.onFailure(error);
      return plain(500, 'internal error\n');
    });
    response.writeHead(answer.status, {
      ...SECURITY_HEADERS,
      'content-type': `${answer.type}; charset=utf-8`,
      ...answer.headers,
    });
    response.end(answer.text);
  };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  // A TCP server's address is never a pipe name.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${urlHost(options.host)}:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function respond(
  message: IncomingMessage,
  options: { readonly host: string; readonly token: string },
  sources: AdminSources,
): Promise<Answer> {
  const [path = '', query = ''] = (message.url ?? '').split('?', 2);
  const isApi = path.startsWith('/api/');
  if (message.method !== 'GET' && message.method !== 'HEAD' && !(isApi && message.method === 'POST')) {
    return plain(405, 'method not allowed\n');
  }
  if (path === '/healthz') return plain(200, 'ok\n');
  if (path === '/readyz') return ready(await sources.probe());
  // Whoever can write the header knows the token; a page of another site only has what the browser sends by itself.
  const hasHeader = message.headers.authorization !== undefined;
  if (!hasHeader && !isOwnHost(message.headers.host ?? '', options.host)) return plain(403, 'unknown host\n');
  const parameters = new URLSearchParams(query);
  const asked = parameters.get('token');
  // Only places of ours: `//elsewhere` would be another host.
  if (asked !== null && message.method !== 'POST' && (isApi || PAGES.has(path))) {
    if (!sameToken(asked, options.token)) return plain(401, 'wrong token\n');
    parameters.delete('token');
    const location = parameters.size === 0 ? path : `${path}?${parameters}`;
    const cookie = `${COOKIE}=${encodeURIComponent(asked)}; HttpOnly; SameSite=Strict; Path=/`;
    return { ...plain(303, ''), headers: { location, 'set-cookie': cookie } };
  }
  if (!isAuthorised(message, options.token)) {
    return { ...plain(401, 'the admin token is missing or wrong\n'), headers: { 'www-authenticate': 'Bearer' } };
  }
  if (path.startsWith('/api/cache/') || path === '/api/cleanup') return api(message, path, query, sources);
  if (path === '/metrics') return { status: 200, type: 'text/plain; version=0.0.4', text: await sources.metrics() };
  if (path === '/') return { status: 200, type: 'text/html', text: renderPage(sources, await sources.probe()) };
  return plain(404, 'not found\n');
}

/** The longest list of keys that is warmed at once. */
const MAX_BODY_BYTES = 16 * 2 ** 20;

async function api(message: IncomingMessage, path: string, query: string, sources: AdminSources): Promise<Answer> {
  const { method = '' } = message;
  // A cookie comes along with a form of another site as well; this header does not.
  if (method === 'POST' && message.headers.authorization === undefined) {
    return plain(401, 'changes want the token in the Authorization header\n');
  }
  const body = method === 'POST' ? await readJson(message) : undefined;
  if (body === BROKEN) return plain(400, 'the body is no JSON, or too long\n');
  const request = { method, path, query: new URLSearchParams(query), body };
  const { status, json } =
    path === '/api/cleanup'
      ? answerCleanupApi(request, sources.cleanup)
      : await answerCacheApi(request, sources.cache());
  return { status, type: 'application/json', text: `${JSON.stringify(json)}\n` };
}

const BROKEN = Symbol('no JSON');

async function readJson(message: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return BROKEN;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return BROKEN;
  }
}

function plain(status: number, text: string): Answer {
  return { status, type: 'text/plain', text };
}

function ready(states: readonly StorageHealth[]): Answer {
  const failing = states.filter((state) => !state.isReady).map((state) => state.name);
  return failing.length === 0 ? plain(200, 'ready\n') : plain(503, `not ready: ${failing.join(', ')}\n`);
}

function isAuthorised(message: IncomingMessage, token: string): boolean {
  const bearer = /^Bearer (.+)$/i.exec(message.headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return sameToken(bearer, token);
  const cookie = (message.headers.cookie ?? '').split(/; */).find((pair) => pair.startsWith(`${COOKIE}=`));
  return cookie !== undefined && sameToken(decodeCookie(cookie.slice(COOKIE.length + 1)), token);
}

function decodeCookie(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return '';
  }
}

/** In constant time: hashes have one length, whatever was sent. */
function sameToken(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

function isOwnHost(host: string, listened: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === listened.toLowerCase() || /^[\d.]+$|^\[[0-9a-f:.]+\]$/.test(name);
}
