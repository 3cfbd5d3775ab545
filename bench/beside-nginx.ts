/**
 * CPU of forwarding, beside nginx as a plain reverse proxy on the same backend in the same run: 16 KiB GETs, a large
 * GET and a large PUT. The backend is nginx with a folder, which neither signs nor checks anything.
 *
 *   node bench/beside-nginx.ts [rounds]      needs nginx and wrk
 *
 * Prints CPU of the proxy process alone. Ratios count; absolute times do not on a shared machine.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { freePort, startNginx } from './nginx.ts';
import { cpuSeconds, memoryMiB, NODE_FLAGS, start, stop } from './processes.ts';

const run = promisify(execFile);
const rounds = Number(process.argv[2] ?? 5);
const LARGE_MIB = 512;
const SECONDS = 4;

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
const [backendPort, nginxPort, sluicePort] = [await freePort(), await freePort(), await freePort()];
mkdirSync(join(folder, 'www/bkt'), { recursive: true, mode: 0o777 });
writeFileSync(join(folder, 'www/bkt/small'), Buffer.alloc(16 * 1024, 's'));
writeFileSync(join(folder, 'www/bkt/large'), Buffer.alloc(LARGE_MIB * 2 ** 20, 'l'));
writeFileSync(join(folder, 'upload'), Buffer.alloc(LARGE_MIB * 2 ** 20, 'u'));

const backend = await startNginx({
  folder,
  name: 'backend',
  server: `listen 127.0.0.1:${backendPort}; root ${folder}/www; dav_methods PUT DELETE; client_max_body_size 0; client_body_temp_path ${folder}/tmp; location / { if ($request_method = PUT) { add_header ETag '"put"' always; } }`,
});
const proxy = await startNginx({
  folder,
  name: 'proxy',
  server: `listen 127.0.0.1:${nginxPort}; client_max_body_size 0; location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering on; proxy_max_temp_file_size 0; proxy_request_buffering off; }`,
  http: `upstream backend { server 127.0.0.1:${backendPort}; keepalive 64; keepalive_requests 100000000; }`,
});
writeFileSync(
  join(folder, 'sluice.yaml'),
  `listen: 127.0.0.1:${sluicePort}
admin: { listen: "127.0.0.1:0" }
log: { level: warn }
credentials: [{ name: bench, accessKey: BENCHKEY, secretKey: bench-secret }]
storages: [{ name: backend, provider: other, endpoint: "127.0.0.1:${backendPort}", protocol: http, accessKey: backend, secretKey: backend-secret, default: true }]
`,
);
const sluice = await start(
  process.execPath,
  [...NODE_FLAGS, 'src/main.ts', 'serve', '--config', join(folder, 'sluice.yaml')],
  /Admin page/,
);
const client = new S3Client({
  endpoint: `http://127.0.0.1:${sluicePort}`,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: { accessKeyId: 'BENCHKEY', secretAccessKey: 'bench-secret' },
  requestChecksumCalculation: 'WHEN_REQUIRED',
});
const signed = async (command: GetObjectCommand | PutObjectCommand) =>
  getSignedUrl(client, command, { expiresIn: 3600 });
const urls = {
  sluice: {
    small: await signed(new GetObjectCommand({ Bucket: 'bkt', Key: 'small' })),
    large: await signed(new GetObjectCommand({ Bucket: 'bkt', Key: 'large' })),
    put: await signed(new PutObjectCommand({ Bucket: 'bkt', Key: 'put-s' })),
  },
  nginx: {
    small: `http://127.0.0.1:${nginxPort}/bkt/small`,
    large: `http://127.0.0.1:${nginxPort}/bkt/large`,
    put: `http://127.0.0.1:${nginxPort}/bkt/put-n`,
  },
};
const pids = { sluice: sluice.pid ?? 0, nginx: proxy.pid ?? 0 };

type Proxy = keyof typeof urls;
const perRequest: Record<Proxy, number[]> = { sluice: [], nginx: [] };
const perGet: Record<Proxy, number[]> = { sluice: [], nginx: [] };
const perPut: Record<Proxy, number[]> = { sluice: [], nginx: [] };
const gib = LARGE_MIB / 1024;

for (let round = 0; round <= rounds; round++) {
  // In turn, so that a drifting machine drifts for both; the first round warms up and is not counted.
  for (const name of round % 2 === 0 ? (['sluice', 'nginx'] as const) : (['nginx', 'sluice'] as const)) {
    const requests = await cpuOf(name, async () => {
      const { stdout } = await run('wrk', ['-t1', '-c16', `-d${SECONDS}s`, urls[name].small]);
      if (/Non-2xx/.test(stdout)) throw new Error(stdout);
      return Number(/(\d+) requests in/.exec(stdout)?.[1]);
    });
    const got = await cpuOf(name, async () => curl('-o', '/dev/null', urls[name].large));
    const put = await cpuOf(name, async () => curl('-o', '/dev/null', '-T', join(folder, 'upload'), urls[name].put));
    if (round === 0) continue;
    perRequest[name].push((requests.cpu / requests.result) * 1e6);
    perGet[name].push(got.cpu / gib);
    perPut[name].push(put.cpu / gib);
  }
}

print('16 KiB GET, CPU per request', 'us', perRequest);
print('large GET, CPU per GiB', 's', perGet);
print('large PUT, CPU per GiB', 's', perPut);
const memory = memoryMiB(pids.sluice);
process.stdout.write(`sluice memory: ${memory.now} MiB now, ${memory.peak} MiB at its highest\n`);

client.destroy();
await Promise.all([backend, proxy, sluice].map(stop));
rmSync(folder, { recursive: true, force: true });

async function cpuOf<T>(name: Proxy, work: () => Promise<T>): Promise<{ cpu: number; result: T }> {
  const before = cpuSeconds(pids[name]);
  const result = await work();
  return { cpu: cpuSeconds(pids[name]) - before, result };
}

async function curl(...args: string[]): Promise<void> {
  const { stdout } = await run('curl', ['-sS', '-w', '%{http_code}', ...args]);
  if (!/^20[0-9]$/.test(stdout)) throw new Error(`curl ${args.join(' ')}: ${stdout}`);
}

function print(title: string, unit: string, figures: Record<Proxy, number[]>): void {
  const median = (list: number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
  const [ours, theirs] = [median(figures.sluice), median(figures.nginx)];
  const ratio = (ours / theirs).toFixed(2);
  process.stdout.write(
    `${title}: sluice ${ours.toFixed(2)} ${unit}, nginx ${theirs.toFixed(2)} ${unit}, ratio ${ratio}\n`,
  );
}
