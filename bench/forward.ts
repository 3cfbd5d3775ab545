import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createTransport } from '../src/http/transport.ts';
import { forward } from '../src/upstream/forward.ts';
import { VENDORS } from '../src/upstream/vendors.ts';
import { silentLog } from '../test/support/log.ts';
import { bytesOf, s3Request } from '../test/support/s3-request.ts';

/**
 * Memory and CPU of `forward` alone: bytes made here go to a storage in another process and come back.
 * node bench/forward.ts [GiB, 1 by default]
 */
const MiB = 1024 * 1024;
const size = Number(process.argv[2] ?? 1) * 1024 * MiB;
const block = Buffer.alloc(64 * 1024, 7);

/** A storage that throws uploads away and makes downloads up. */
async function serveBlocks(): Promise<void> {
  const server = createServer(async (request, response) => {
    const length = Number(new URLSearchParams(request.url?.split('?')[1]).get('versionId') ?? 0);
    if (request.method === 'PUT') {
      for await (const _ of request);
      response.writeHead(200, { etag: '"e"', 'content-length': 0 }).end();
      return;
    }
    response.writeHead(200, { etag: '"e"', 'content-length': length });
    for (let left = length; left > 0; left -= block.length) {
      if (!response.write(block.subarray(0, left))) await once(response, 'drain');
    }
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // Listening on TCP gives an AddressInfo.
  process.send?.((server.address() as AddressInfo).port);
}

function blocks(length: number): Readable {
  let left = length;
  return new Readable({
    read() {
      this.push(left === 0 ? null : block.subarray(0, left));
      left -= Math.min(left, block.length);
    },
  });
}

async function measure(): Promise<void> {
  const storage = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    env: { ...process.env, BENCH_STORAGE: '1' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [port] = await once(storage, 'message');
  const transport = createTransport();
  const handler = forward(
    {
      name: 'bench',
      dialect: VENDORS.other,
      endpoint: { protocol: 'http', host: '127.0.0.1', port: Number(port) },
      region: 'us-east-1',
      credentials: { accessKey: 'a', secretKey: 's' },
    },
    { transport, now: () => new Date(), log: silentLog },
  );
  const object = { bucket: 'b', key: 'k' };
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const step = async (title: string, work: () => Promise<void>) => {
    peak = 0;
    const cpu = process.cpuUsage();
    const started = performance.now();
    await work();
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - started) / 1000;
    console.log(
      `${title}: ${seconds.toFixed(2)} s, CPU ${((user + system) / 1e6).toFixed(2)} s, peak RSS ${(peak / MiB).toFixed(0)} MiB`,
    );
  };
  await step(`PUT ${size / MiB} MiB`, async () => {
    await handler(s3Request({ ...object, method: 'PUT', body: blocks(size), bodyLength: size }));
  });
  await step(`GET ${size / MiB} MiB`, async () => {
    const { body } = await handler(s3Request({ ...object, method: 'GET', query: `versionId=${size}` }));
    if (body instanceof Readable) await pipeline(body, new Writable({ write: (_chunk, _encoding, done) => done() }));
  });
  const count = 5000;
  await step(`${count} GETs of 16 KiB, one after the other`, async () => {
    for (let index = 0; index < count; index++) {
      await bytesOf(await handler(s3Request({ ...object, method: 'GET', query: 'versionId=16384' })));
    }
  });
  clearInterval(watch);
  await transport.close();
  storage.kill();
}

await (process.env.BENCH_STORAGE === '1' ? serveBlocks() : measure());
