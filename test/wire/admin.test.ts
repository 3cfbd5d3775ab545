import t from 'tap';
import { adminListen } from '../../src/config/listen.ts';
import { CREDENTIALS, SECRET_KEY, startTestGateway } from '../support/gateway.ts';
import { exchange } from '../support/raw-socket.ts';

const TOKEN = 'admin-token-of-the-tests';
const STORAGE_SECRET = 'storage-secret-of-no-value';

const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - { name: here, provider: filesystem, path: "${t.testdir()}", default: true }
  - name: there
    provider: minio
    endpoint: "127.0.0.1:1"
    protocol: http
    accessKey: storage-key
    secretKey: ${STORAGE_SECRET}
    retries: 0
buckets: [{ name: kept, storage: here, cache: zenml }]
`);
t.teardown(() => gateway.close());
const port = Number(gateway.adminUrl.split(':').at(-1));

/** Asks as a socket can, with any Host. */
async function ask(target: string, headers: Readonly<Record<string, string>> = {}, method = 'GET', body = '') {
  const fields = { host: `127.0.0.1:${port}`, 'content-length': String(body.length), connection: 'close', ...headers };
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return exchange(port, `${method} ${target} HTTP/1.1\r\n${head.join('')}\r\n${body}`, { untilClose: true });
}

const BEARER = { authorization: `Bearer ${TOKEN}` };
const COOKIE = { cookie: `sluice_token=${TOKEN}` };

t.test('M01 M07 metrics, page and API want the token, and no part of it will do', async (t) => {
  for (const target of ['/', '/metrics', '/api/cache/stats', '/api/cleanup']) {
    t.equal((await ask(target)).status, 401, target);
    for (const wrong of [TOKEN.slice(0, -1), `${TOKEN}x`, TOKEN.toUpperCase(), ' ']) {
      t.equal((await ask(target, { authorization: `Bearer ${wrong}` })).status, 401, `${target} ${wrong}`);
      t.equal((await ask(target, { cookie: `sluice_token=${wrong}` })).status, 401, `${target} ${wrong}`);
    }
  }
  t.equal((await ask('/metrics', BEARER)).status, 200);
  t.equal((await ask('/metrics', COOKIE)).status, 200);
});

t.test('the token in a URL becomes a cookie, wherever it is asked for', async (t) => {
  for (const [target, location] of [
    [`/?token=${TOKEN}`, '/'],
    [`/metrics?token=${TOKEN}`, '/metrics'],
    [`/api/cache/entries?limit=1&token=${TOKEN}`, '/api/cache/entries?limit=1'],
  ] as const) {
    const { status, text } = await ask(target);
    t.equal(status, 303, target);
    t.match(text, `location: ${location}\r\n`);
    t.match(text, `set-cookie: sluice_token=${TOKEN}; HttpOnly; SameSite=Strict; Path=/\r\n`);
  }
  t.equal((await ask('/?token=wrong')).status, 401);
  const elsewhere = await ask(`//elsewhere.example/?token=${TOKEN}`);
  t.equal(elsewhere.status, 401, 'never a redirect to another host');
  t.notMatch(elsewhere.text, /location:|set-cookie:/i);
});

t.test('M02 M09 nothing that is answered holds a secret, and readiness says no more than names', async (t) => {
  for (const target of ['/', '/metrics', '/api/cache/stats', '/api/cache/entries', '/readyz']) {
    const { text } = await ask(target, BEARER);
    for (const secret of [TOKEN, SECRET_KEY, STORAGE_SECRET]) t.notMatch(text, secret, target);
  }
  t.match((await ask('/readyz')).text, /\r\n\r\n(?:[0-9a-f]+\r\n)?not ready: there\n/);
  t.match((await ask('/healthz')).text, /\r\n\r\n(?:[0-9a-f]+\r\n)?ok\n/);
});

t.test('M03 a name that is not ours is refused where a browser could have sent the request', async (t) => {
  for (const host of ['rebound.example', 'localhost.rebound.example', '', 'rebound.example:80']) {
    t.equal((await ask('/metrics', { ...COOKIE, host })).status, 403, host);
    t.equal((await ask(`/?token=${TOKEN}`, { host })).status, 403, host);
  }
  for (const host of ['localhost', '127.0.0.1', `[::1]:${port}`]) {
    t.equal((await ask('/metrics', { ...COOKIE, host })).status, 200, host);
  }
  t.equal((await ask('/metrics', { ...BEARER, host: 'sluice' })).status, 200, 'a scraper has the header');
  t.equal((await ask('/metrics', { authorization: 'Bearer wrong', host: 'sluice' })).status, 401);
});

t.test('M04 M06 another site can neither change nor read anything', async (t) => {
  const origin = { origin: 'http://elsewhere.example' };
  for (const target of ['/api/cache/purge', '/api/cache/warm', '/api/cleanup']) {
    t.equal((await ask(target, { ...COOKIE, ...origin }, 'POST', '{}')).status, 401, target);
  }
  t.equal((await ask('/api/cache/purge', COOKIE, 'DELETE')).status, 405);
  t.equal((await ask('/api/cache/purge', { ...BEARER, ...origin }, 'OPTIONS')).status, 405);
  t.notMatch((await ask('/metrics', { ...BEARER, ...origin })).text, /access-control-/i);
  t.equal((await ask('/api/cache/purge', BEARER, 'POST', '{}')).status, 200);
});

t.test('M05 M08 only what is there is there, in one spelling', async (t) => {
  for (const target of ['/%6detrics', '//metrics', '/metrics/', '/api/../metrics', '/debug/pprof', '/__proto__']) {
    t.equal((await ask(target)).status, 401, target);
    t.equal((await ask(target, BEARER)).status, 404, target);
  }
});

t.test('M15 the page runs nothing, and is not kept or framed', async (t) => {
  const { text } = await ask('/', BEARER);
  t.match(text, /content-security-policy: default-src 'none';[^\r\n]*frame-ancestors 'none'\r\n/);
  t.match(text, 'cache-control: no-store\r\n');
  t.notMatch(text, /<script/);
});

t.test('M11 the port is one of its own, and on this machine only unless told', async (t) => {
  t.strictSame(adminListen({ listen: '0.0.0.0:9000', admin: {} }), { host: '127.0.0.1', port: 9001 });
  t.equal(
    (await exchange(gateway.port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')).status,
    403,
    'a bucket there',
  );
});

t.test('what is no JSON, or too much of it, is refused and the port goes on', async (t) => {
  for (const body of ['', 'x', '['.repeat(100_000)]) {
    t.equal((await ask('/api/cache/purge', BEARER, 'POST', body)).status, 400);
  }
  t.equal((await ask('/healthz')).status, 200);
});
