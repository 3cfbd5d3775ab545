/**
 * Rates of the filesystem store itself, without HTTP: `node bench/store.ts [FOLDER]`. The folder's disk is what is
 * measured, so name one on the disk that counts; without one it is the system's temporary folder.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { openFilesystemStore } from '../src/store/filesystem/store.ts';
import { serve } from '../src/store/serve.ts';
import { generatedBytes } from '../test/support/generated.ts';
import { bytesOf, type RequestParts, s3Request } from '../test/support/s3-request.ts';

const bucket = 'bench';
const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'sluice-bench-'));
const store = await openFilesystemStore({ path: folder, now: () => new Date(), log: console });
const handler = serve(store);
const call = async (parts: RequestParts): Promise<Buffer> => bytesOf(await handler(s3Request({ bucket, ...parts })));

try {
  await call({ method: 'PUT' });
  // First, so that the memory it reports is its own.
  await stream(1024 ** 3);
  for (const [size, count] of [
    [1024, 10_000],
    [16 * 1024, 3000],
    [1024 * 1024, 200],
  ] as const) {
    const body = generatedBytes(size, 1);
    for (const parallel of [1, 16, 64]) {
      const key = (n: number): string => `${size}/${parallel}/${String(n).padStart(6, '0')}`;
      const wanted = parallel === 1 ? Math.ceil(count / 10) : count;
      await measure(`PUT ${size} B, ${parallel} at once`, wanted, parallel, (n) =>
        call({ method: 'PUT', key: key(n), body }),
      );
      await measure(`GET ${size} B, ${parallel} at once`, wanted, parallel, (n) =>
        call({ method: 'GET', key: key(n) }),
      );
    }
  }
  await measure('ListObjectsV2 of 1,000 keys', 200, 1, () =>
    call({ method: 'GET', query: 'list-type=2&prefix=1024/64/' }),
  );
  await measure('ListObjectsV2 of common prefixes', 1000, 1, () =>
    call({ method: 'GET', query: 'list-type=2&delimiter=/' }),
  );
  await measure('HEAD', 20_000, 16, () => call({ method: 'HEAD', key: '1024/64/000001' }));
} finally {
  await store.close();
  rmSync(folder, { recursive: true });
}

async function measure(
  name: string,
  count: number,
  parallel: number,
  act: (n: number) => Promise<unknown>,
): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const cpu = process.cpuUsage();
  const start = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  delay.disable();
  const cpuEach = (used.user + used.system) / count;
  const worst = delay.max / 1e6;
  console.log(
    `${name.padEnd(34)} ${(count / seconds).toFixed(0).padStart(7)}/s  ${cpuEach.toFixed(0).padStart(6)} us CPU each  event loop at worst ${worst.toFixed(1)} ms`,
  );
}

async function stream(size: number): Promise<void> {
  const chunk = generatedBytes(64 * 1024, 2);
  const body = Readable.from(
    (function* () {
      for (let sent = 0; sent < size; sent += chunk.byteLength) yield chunk;
    })(),
  );
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 50);
  await timed('PUT 1 GiB', size, () => call({ method: 'PUT', key: 'big', body, bodyLength: size }));
  await timed('GET 1 GiB', size, async () => {
    const response = await handler(s3Request({ method: 'GET', bucket, key: 'big' }));
    if (!(response.body instanceof Readable)) throw new Error('not a stream');
    for await (const part of response.body) if (part.length === 0) throw new Error('an empty chunk');
  });
  clearInterval(timer);
  console.log(`most resident memory ${(peak / 1024 ** 2).toFixed(0)} MiB`);
}

async function timed(name: string, size: number, act: () => Promise<unknown>): Promise<void> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await act();
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  const rate = (size / 1024 ** 2 / seconds).toFixed(0);
  console.log(`${name}: ${rate} MiB/s, ${((used.user + used.system) / 1e6).toFixed(2)} s CPU`);
}
