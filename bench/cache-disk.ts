/**
 * Large objects out of the cache's disk: CPU beside nginx `proxy_cache` with and without `sendfile` in the same run, and
 * memory under many readers who take hardly anything.
 *
 *   node bench/cache-disk.ts [rounds, 5]      needs nginx and curl
 *
 * Ratios count; absolute times do not on a shared machine. Node has no sendfile: nginx without it does the same work.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, startNginx } from './nginx.ts';
import { cpuSeconds, memoryMiB, NODE_FLAGS, start, stop } from './processes.ts';

const run = promisify(execFile);
const rounds = Number(process.argv[2] ?? 5);
const MEMORY_MIB = 256;
const SLOW_READERS = 200;

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
mkdirSync(join(folder, 'www/bkt'), { recursive: true, mode: 0o777 });
writeFileSync(join(folder, 'www/bkt/large'), Buffer.alloc(64 * 2 ** 20, 'large'));
writeFileSync(join(folder, 'www/bkt/huge'), Buffer.alloc(512 * 2 ** 20, 'huge'));
const ports = {
  backend: await freePort(),
  sluice: await freePort(),
  nginx: await freePort(),
  copying: await freePort(),
};
const backend = await startNginx({
  folder,
  name: 'backend',
  server: `listen 127.0.0.1:${ports.backend}; root ${folder}/www;`,
});
const caching = (name: 'nginx' | 'copying', sendfile: 'on' | 'off') =>
  startNginx({
    folder,
    name,
    sendfile,
    server: `listen 127.0.0.1:${ports[name]}; location / { proxy_pass http://127.0.0.1:${ports.backend}; proxy_cache c; proxy_cache_valid 200 1h; }`,
    http: `proxy_cache_path ${folder}/${name}-cache keys_zone=c:10m max_size=10g use_temp_path=off;`,
  });
writeFileSync(
  join(folder, 'sluice.yaml'),
  `listen: 127.0.0.1:${ports.sluice}
admin: { listen: "127.0.0.1:0" }
log: { level: warn }
storages: [{ name: near, provider: other, endpoint: "127.0.0.1:${ports.backend}", protocol: http, accessKey: a, secretKey: secret-of-nothing }]
buckets: [{ name: fixed, storage: near, bucket: bkt, anonymous: read, cache: fixed }]
cache:
  memory: ${MEMORY_MIB}MiB
  disk: { path: "${folder}/cache", size: 20GiB, minFree: 0 }
  verify: 0
  ruleSets: { fixed: [{ match: "**", mode: immutable }] }
`,
);
const servers = {
  sluice: await start(
    process.execPath,
    [...NODE_FLAGS, 'src/main.ts', 'serve', '--config', join(folder, 'sluice.yaml')],
    /Admin page/,
  ),
  nginx: await caching('nginx', 'on'),
  copying: await caching('copying', 'off'),
};
type Server = keyof typeof servers;
const names: readonly Server[] = ['sluice', 'nginx', 'copying'];
const urlOf = (name: Server, key: string) =>
  `http://127.0.0.1:${ports[name]}/${name === 'sluice' ? 'fixed' : 'bkt'}/${key}`;
const pidOf = (name: Server) => servers[name].pid ?? 0;

const figures: Record<Server, number[]> = { sluice: [], nginx: [], copying: [] };
for (let round = 0; round <= rounds; round++) {
  for (const name of names) {
    const seconds = await cpuOf(name, 'large', 16);
    // The first round fills.
    if (round > 0) figures[name].push(seconds);
  }
}
const [ours, theirs, copying] = names.map((name) => median(figures[name]));
say(
  `disk hit of 64 MiB, CPU a GiB: sluice ${ours?.toFixed(2)} s, nginx ${theirs?.toFixed(2)} s with sendfile and ${copying?.toFixed(2)} s without; ratios ${ratio(ours, theirs)} and ${ratio(ours, copying)}`,
);

// Memory is full of small objects: read once for the disk, once more for memory.
const small = Array.from({ length: MEMORY_MIB }, (_, index) => `small-${index}`);
for (const key of small) writeFileSync(join(folder, 'www/bkt', key), Buffer.alloc(2 ** 20, key));
for (const key of [...small, ...small]) await (await fetch(urlOf('sluice', key))).bytes();
await cpuOf('sluice', 'huge', 2);
const before = memoryMiB(pidOf('sluice')).now;
const slow = await Promise.all(Array.from({ length: SLOW_READERS }, () => openOnly(urlOf('sluice', 'huge'))));
// Until they have all that buffers on the way take.
await new Promise((resolve) => setTimeout(resolve, 5000));
const beside = await cpuOf('sluice', 'huge', 2);
say(
  `${SLOW_READERS} readers that read nothing: ${before} MiB before, ${memoryMiB(pidOf('sluice')).now} MiB with them, ${MEMORY_MIB} MiB configured; one that reads beside them costs ${beside.toFixed(2)} s a GiB`,
);
for (const message of slow) message.destroy();
await Promise.all([backend, ...Object.values(servers)].map(stop));
rmSync(folder, { recursive: true, force: true });
process.exit(0);

/** CPU seconds that a server takes to answer a number of GETs. */
async function cpuOf(name: Server, key: string, times: number): Promise<number> {
  const begun = cpuSeconds(pidOf(name));
  for (let each = 0; each < times; each++) {
    const { stdout } = await run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', urlOf(name, key)]);
    if (stdout !== '200') throw new Error(`${name}: ${stdout}`);
  }
  return cpuSeconds(pidOf(name)) - begun;
}

/** Resolves when the first byte is there; no more is read. */
function openOnly(url: string): Promise<ClientRequest> {
  return new Promise((resolve, reject) => {
    const message = request(url, { agent: false }, (response) => response.once('readable', () => resolve(message)));
    message.once('error', reject).end();
  });
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
}

function ratio(one = Number.NaN, other = Number.NaN): string {
  return (one / other).toFixed(2);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
