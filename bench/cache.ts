/**
 * The cache, beside nginx `proxy_cache` on the same backend in the same run, and over a line of 50 ms and 10 MB/s per
 * connection.
 *
 *   node bench/cache.ts [MiB of the cold object over the line, 1024]      needs nginx, wrk and curl
 *
 * Ratios count; absolute times do not on a shared machine.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startFaultProxy } from '../test/support/fault-proxy.ts';
import { freePort, startNginx } from './nginx.ts';
import { cpuSeconds, memoryMiB, NODE_FLAGS, start, stop } from './processes.ts';

const run = promisify(execFile);
const lineMiB = Number(process.argv[2] ?? 1024);
const RATE = 10e6;

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
const [backendPort, nginxPort, sluicePort] = [await freePort(), await freePort(), await freePort()];
mkdirSync(join(folder, 'www/bkt'), { recursive: true, mode: 0o777 });
const plant = (name: string, bytes: number) => writeFileSync(join(folder, 'www/bkt', name), Buffer.alloc(bytes, name));
plant('small', 16 * 1024);
plant('large', 64 * 2 ** 20);
for (const round of [1, 2, 3]) plant(`cold${round}`, 256 * 2 ** 20);
plant('line', lineMiB * 2 ** 20);

const backend = await startNginx({
  folder,
  name: 'backend',
  server: `listen 127.0.0.1:${backendPort}; root ${folder}/www; access_log ${folder}/backend.log sent;`,
  http: "log_format sent '$uri $body_bytes_sent';",
});
const proxy = await startNginx({
  folder,
  name: 'proxy',
  server: `listen 127.0.0.1:${nginxPort}; location / { proxy_pass http://127.0.0.1:${backendPort}; proxy_cache c; proxy_cache_valid 200 1h; }`,
  http: `proxy_cache_path ${folder}/nginx-cache keys_zone=c:10m max_size=10g use_temp_path=off;`,
});
const line = await startFaultProxy(backendPort, { latency: 50, rate: RATE });
const bucket = (name: string, storage: string, cache: string) =>
  `  - { name: ${name}, storage: ${storage}, bucket: bkt, anonymous: read, cache: ${cache} }\n`;
const storage = (name: string, port: number) =>
  `  - { name: ${name}, provider: other, endpoint: "127.0.0.1:${port}", protocol: http, accessKey: a, secretKey: secret-of-nothing }\n`;
writeFileSync(
  join(folder, 'sluice.yaml'),
  `listen: 127.0.0.1:${sluicePort}
admin: { listen: "127.0.0.1:0" }
log: { level: warn }
storages:
${storage('near', backendPort)}${storage('far', line.port)}
buckets:
${bucket('fixed', 'near', 'fixed')}${bucket('asked', 'near', 'gitlab-runner')}${bucket('far', 'far', 'gitlab-runner')}
cache:
  memory: 256MiB
  disk: { path: "${folder}/cache", size: 20GiB, minFree: 0 }
  verify: 0
  ruleSets: { fixed: [{ match: "**", mode: immutable }] }
`,
);
const sluice = await start(
  process.execPath,
  [...NODE_FLAGS, 'src/main.ts', 'serve', '--config', join(folder, 'sluice.yaml')],
  /Admin page/,
);
const ours = (name: string) => `http://127.0.0.1:${sluicePort}/${name}`;
const theirs = (key: string) => `http://127.0.0.1:${nginxPort}/bkt/${key}`;
const pids = { sluice: sluice.pid ?? 0, nginx: proxy.pid ?? 0 };

const small = { sluice: await wrk('sluice', ours('fixed/small')), nginx: await wrk('nginx', theirs('small')) };
say(
  `memory hit of 16 KiB: sluice ${small.sluice.toFixed(0)} us CPU a request, nginx ${small.nginx.toFixed(0)} us, ratio ${(small.sluice / small.nginx).toFixed(2)}`,
);
const asked = await wrk('sluice', ours('asked/small'));
say(`the same revalidated: ${asked.toFixed(0)} us`);
const large = { sluice: await gets('sluice', ours('fixed/large')), nginx: await gets('nginx', theirs('large')) };
say(
  `disk hit of 64 MiB: sluice ${large.sluice.toFixed(2)} s CPU a GiB, nginx ${large.nginx.toFixed(2)} s, ratio ${(large.sluice / large.nginx).toFixed(2)}`,
);

for (const round of [1, 2, 3]) {
  const crowd = ['bench/crowd.ts', String(sluicePort), `/asked/cold${round}`, '100', String(4 * 2 ** 20)];
  const { stdout } = await run(process.execPath, crowd);
  // What the program prints.
  const firsts = JSON.parse(stdout) as number[];
  const spread = (firsts.at(-1) ?? 0) - (firsts[0] ?? 0);
  say(
    `100 clients on a cold 256 MiB, round ${round}: first byte after ${firsts[0]?.toFixed(0)} ms, the last one's ${spread.toFixed(0)} ms later; ${(await fetchedMiB(`cold${round}`)).toFixed(0)} MiB fetched`,
  );
}

const [before] = [line.bytes()];
const cold = await read(ours('far/line'));
const fetched = line.bytes() - before;
const warm = await read(ours('far/line'));
const alone = (lineMiB * 2 ** 20 * 1000) / RATE;
say(
  `${lineMiB} MiB over the line: cold ${cold.ms.toFixed(0)} ms, ${(alone / cold.ms).toFixed(1)} times one connection, ${(fetched / (lineMiB * 2 ** 20)).toFixed(3)} of its bytes fetched; warm ${warm.ms.toFixed(0)} ms, ${(alone / warm.ms).toFixed(0)} times`,
);

const idle = memoryMiB(pids.sluice).now;
const slow = Array.from({ length: 200 }, () => request(ours('asked/cold1')).end());
await Promise.all(
  slow.map(
    (message) =>
      new Promise<void>((resolve) =>
        message.once('response', (response) => response.once('readable', () => resolve())),
      ),
  ),
);
await new Promise((resolve) => setTimeout(resolve, 3000));
say(
  `memory: ${idle} MiB before, ${memoryMiB(pids.sluice).now} MiB with 200 readers that read nothing, ${memoryMiB(pids.sluice).peak} MiB at its highest (256 MiB configured)`,
);
for (const message of slow) message.destroy();

await Promise.all([backend, proxy, sluice].map(stop));
await line.close();
rmSync(folder, { recursive: true, force: true });
process.exit(0);

/** What the backend has sent of an object, by its own log, when it sends no more. */
async function fetchedMiB(name: string): Promise<number> {
  for (let last = -1; ; ) {
    const sent = readFileSync(join(folder, 'backend.log'), 'utf8').matchAll(new RegExp(`/bkt/${name} (\\d+)`, 'g'));
    const bytes = [...sent].reduce((sum, [, each]) => sum + Number(each), 0);
    if (bytes > 0 && bytes === last) return bytes / 2 ** 20;
    last = bytes;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

async function wrk(name: keyof typeof pids, url: string): Promise<number> {
  // What is compiled is another question than what a request costs.
  await run('wrk', ['-t1', '-c16', '-d3s', url]);
  const cpu = cpuSeconds(pids[name]);
  const { stdout } = await run('wrk', ['-t1', '-c16', '-d4s', url]);
  if (/Non-2xx/.test(stdout)) throw new Error(stdout);
  return ((cpuSeconds(pids[name]) - cpu) / Number(/(\d+) requests in/.exec(stdout)?.[1])) * 1e6;
}

/** CPU seconds a GiB. */
async function gets(name: keyof typeof pids, url: string): Promise<number> {
  await curl(url);
  const cpu = cpuSeconds(pids[name]);
  for (let round = 0; round < 32; round++) await curl(url);
  return (cpuSeconds(pids[name]) - cpu) / 2;
}

async function curl(url: string): Promise<void> {
  const { stdout } = await run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', url]);
  if (stdout !== '200') throw new Error(`${url}: ${stdout}`);
}

function read(
  url: string,
  most = Number.POSITIVE_INFINITY,
): Promise<{ readonly firstByte: number; readonly ms: number }> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const message = request(url, { agent: false }, (response) => {
      let firstByte = 0;
      let left = most;
      response.on('data', (chunk: Buffer) => {
        firstByte ||= performance.now() - started;
        left -= chunk.length;
        if (left > 0) return;
        message.destroy();
        resolve({ firstByte, ms: performance.now() - started });
      });
      response.once('end', () => resolve({ firstByte, ms: performance.now() - started }));
      response.once('error', reject);
    });
    message.once('error', reject).end();
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
