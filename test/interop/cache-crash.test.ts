import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type GatewayServer, startServer } from '../../src/http/server.ts';
import { generator, History } from '../support/cache-history.ts';
import { cacheVendor } from '../support/cache-vendor.ts';
import type { CachedAnswer } from '../support/cached.ts';
import { filesOf } from '../support/disk-damage.ts';
import { diskFolder } from '../support/disk-folder.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY } from '../support/gateway.ts';
import type { Door } from '../support/history-doors.ts';
import { sluice } from '../support/sluice-process.ts';
import { type WireClient, wireClient } from '../support/wire-client.ts';

// 200 for the long run; a failure prints the seed, which makes about the same run again.
const CRASHES = Number(process.env.SLUICE_CACHE_CRASHES ?? 8);
const SEED = Number(process.env.SLUICE_HISTORY_SEED ?? 7);
const SIZE = 160_000_000;
/** Index and files agree long before, when nobody asks for anything. */
const SETTLED_MS = 60_000;
const ADMIN = { authorization: 'Bearer token-of-this-test' };
t.setTimeout(7_200_000);

t.test(`R35 through ${CRASHES} kill -9 under load no answer is false, and the cache goes on`, async (t) => {
  const folder = diskFolder(t);
  const random = generator(SEED + 1);
  const vendor = cacheVendor();
  const settings = { handler: vendor.handler, domains: [], isTrustedProxy: () => false };
  const listen = (port: number): Promise<GatewayServer> =>
    startServer({ host: '127.0.0.1', port, settings: () => settings, onRequest: () => undefined });
  let storage = await listen(0);
  const { port } = storage;
  t.teardown(() => storage.close(0));
  const file = join(folder, 'sluice.yaml');
  writeFileSync(
    file,
    `listen: 127.0.0.1:0
admin: { listen: "127.0.0.1:0", token: token-of-this-test }
${CREDENTIALS}
storages: [{ name: vendor, provider: other, protocol: http, endpoint: "127.0.0.1:${port}", addressing: path, accessKey: ${ACCESS_KEY}, secretKey: ${SECRET_KEY}, region: us-east-1 }]
buckets:
  - { name: all, storage: vendor, bucket: bucket, cache: mine }
  - { name: team, storage: vendor, bucket: bucket, prefix: p/, cache: mine }
cache:
  memory: 16MiB
  disk: { path: "${folder}/cache", size: ${SIZE}, minFree: 0 }
  verify: 0
  ruleSets:
    mine:
      - { match: "**/i/**", mode: immutable }
      - { match: "**/e/**", mode: exclusive }
      - { match: "**/t/**", mode: ttl, maxAge: 1h }
      - { match: "**", mode: revalidate }
`,
  );
  let client: WireClient;
  const door = (bucket: string, prefix: string): Door => ({
    bucket,
    prefix,
    send: (request) => send(client, bucket, request),
  });
  const keys = ['r', 'i', 'e', 't'].flatMap((rule) => [1, 2, 3].map((number) => `p/${rule}/${number}`));
  const large = 'p/r/large';
  const shared = keys.filter((key) => key.startsWith('p/r/'));
  const doors = [door('all', ''), door('team', 'p/')];
  const history = new History({ doors, vendor, seed: SEED, keys, shared, large });
  for (let crash = 0; crash <= CRASHES; crash++) {
    const gateway = sluice(['serve', '--config', file], { env: { NODE_COMPILE_CACHE: join(folder, 'compiled') } });
    await gateway.until(/listens on (\S+)/);
    client = wireClient(t, { port: Number(/listens on \S+:(\d+)/.exec(gateway.stdout())?.[1]) });
    const load = history.run();
    let unsettled: string | undefined;
    if (random() < 0.5) {
      await history.readAll();
      await gateway.until(/Admin page: \S+/);
      const admin = /Admin page: (\S+)/.exec(gateway.stdout())?.[1] ?? '';
      history.stop();
      await load;
      // Once all files were looked at, the account is theirs.
      const counted = async (): Promise<string> => (await fetch(`${admin}/api/cache/stats`, { headers: ADMIN })).text();
      const isSettled = async () =>
        (await counted()).includes(`"count":${filesOf(join(folder, 'cache')).length},"size":${SIZE}`);
      const until = Date.now() + SETTLED_MS;
      let settled = await isSettled();
      for (; !settled && Date.now() < until; settled = await isSettled())
        await new Promise((resolve) => setTimeout(resolve, 20));
      const here = () => filesOf(join(folder, 'cache')).join('\n');
      if (!settled) unsettled = `files and index do not agree: ${await counted()}\n${here()}`;
    }
    const again = history.run();
    await new Promise((resolve) => setTimeout(resolve, 20 + random() * 700));
    gateway.child.kill('SIGKILL');
    history.stop();
    await gateway.exited;
    await Promise.all([load, again]);
    // What the dead one sent may still be on its way: it is made, or lost, before the next one starts.
    await storage.close(1000);
    storage = await listen(port);
    const failing = /.*the cache disk fails.*/.exec(gateway.stdout())?.[0];
    const wrong = [...history.result.wrong, unsettled, failing].filter((line) => line !== undefined);
    if (crash % 10 === 0) t.comment(`${crash} kills, ${history.result.reads} reads`);
    if (wrong.length === 0) continue;
    const troubles = gateway
      .stdout()
      .split('\n')
      .filter((line) => /"status":5\d\d|"level":(50|"error")/.test(line));
    t.comment(troubles.slice(-20).join('\n'));
    t.fail(`after crash ${crash}, seed ${SEED}: ${wrong.slice(0, 3).join('\n')}`);
    break;
  }
  const { results, reads, broken, refused } = history.result;
  t.comment(JSON.stringify({ reads, broken, refused, ...results }));
  const hits = Object.entries(results).filter(([name]) => /^GET 20[06] (hit|revalidated)/.test(name));
  t.ok(hits.reduce((sum, [, count]) => sum + count, 0) > reads / 20, 'some came from the cache');
});

async function send(client: WireClient, bucket: string, request: Parameters<Door['send']>[0]): Promise<CachedAnswer> {
  const { method, key, leaves, ...asking } = request;
  try {
    if (leaves === true) {
      const incoming = await client.open(method, bucket, key ?? '', asking);
      await Promise.race([once(incoming, 'data'), once(incoming, 'end')]);
      incoming.destroy();
      return NOTHING;
    }
    const { status, headers, body, code } = await client.ask(method, bucket, key, asking);
    const fields = new Map(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    return { status, code, result: fields.get('x-sluice-cache'), headers: fields, bytes: body };
  } catch {
    // Cut, or nobody there: no answer.
    return NOTHING;
  }
}

const NOTHING: CachedAnswer = {
  status: 0,
  code: undefined,
  result: undefined,
  headers: new Map(),
  bytes: Buffer.alloc(0),
};
