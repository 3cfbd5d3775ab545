import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createTransport } from '../src/http/transport.ts';
import type { Handler } from '../src/s3/message.ts';
import { resolveAccount } from '../src/store/azure/account.ts';
import { packRecord } from '../src/store/azure/record.ts';
import { openAzureStore } from '../src/store/azure/store.ts';
import { serve } from '../src/store/serve.ts';
import { forward } from '../src/upstream/forward.ts';
import { VENDORS } from '../src/upstream/vendors.ts';
import { silentLog } from '../test/support/log.ts';
import { bytesOf, s3Request } from '../test/support/s3-request.ts';

/**
 * CPU and memory of the Azure store beside those of `forward`: both talk to one storage in another process, which throws
 * uploads away and makes downloads up.
 * node bench/azure.ts [GiB, 1 by default]
 */
const MiB = 1024 * 1024;
const size = Number(process.argv[2] ?? process.env.BENCH_SIZE ?? 1) * 1024 * MiB;
const block = Buffer.alloc(64 * 1024, 7);
const UPLOAD = 'a'.repeat(40);
const LISTED = 1000;

async function serveBlocks(): Promise<void> {
  const upload = packRecord({ upload: { key: 'k', initiated: 0 } });
  const entries = Array.from({ length: LISTED }, (_, index) => entry(`folder/object-${index}`)).join('');
  const listing = `<EnumerationResults><Blobs>${entries}</Blobs><NextMarker /></EnumerationResults>`;
  const described = {
    etag: '"0x8D1"',
    'last-modified': new Date(0).toUTCString(),
    'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==',
    'x-ms-meta-sluice': upload,
  };
  const server = createServer(async (request, response) => {
    const { method, url = '', headers } = request;
    if (method === 'PUT') {
      for await (const _ of request);
      response.writeHead(201, { ...described, 'content-length': 0 }).end();
    } else if (method === 'HEAD') {
      response.writeHead(200, { ...described, 'content-length': size }).end();
    } else if (url.includes('comp=list')) {
      response.writeHead(200, { 'content-length': Buffer.byteLength(listing) }).end(listing);
    } else {
      const whole = Number(/small/.test(url) ? 16_384 : size);
      const isRange = headers['x-ms-range'] !== undefined;
      const range = isRange && { 'content-range': `bytes 0-${whole - 1}/${whole}` };
      response.writeHead(isRange ? 206 : 200, { ...described, ...range, 'content-length': whole });
      for (let left = whole; left > 0; left -= block.length) {
        if (!response.write(block.subarray(0, left))) await once(response, 'drain');
      }
      response.end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // Listening on TCP gives an AddressInfo.
  process.send?.((server.address() as AddressInfo).port);
}

function entry(name: string): string {
  const properties =
    '<Creation-Time>Fri, 20 Nov 2026 10:00:00 GMT</Creation-Time><Last-Modified>Fri, 20 Nov 2026 10:00:00 GMT</Last-Modified><Etag>0x8D1</Etag><Content-Length>1</Content-Length><Content-Type>text/plain</Content-Type><Content-Encoding /><Content-Language /><Content-CRC64 /><Content-MD5>1B2M2Y8AsgTpgAmY7PhCfg==</Content-MD5><Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted>';
  return `<Blob><Name>${name}</Name><Properties>${properties}</Properties><Metadata><sluice>eyJ2IjoxLCJuIjoiYWJjZGVmZ2hpamtsIn0</sluice></Metadata><OrMetadata /></Blob>`;
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
    env: { ...process.env, BENCH_STORAGE: '1', BENCH_SIZE: String(size / MiB / 1024) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [port] = await once(storage, 'message');
  const [transport, azureTransport] = [createTransport(), createTransport()];
  const now = () => new Date();
  const s3 = forward(
    {
      name: 'bench',
      dialect: VENDORS.other,
      endpoint: { protocol: 'http', host: '127.0.0.1', port: Number(port) },
      region: 'us-east-1',
      credentials: { accessKey: 'a', secretKey: 's' },
    },
    { transport, now, log: silentLog },
  );
  const account = resolveAccount({
    protocol: 'http',
    endpoint: `127.0.0.1:${port}/bench`,
    account: 'bench',
    accountKey: 'AAAA',
  });
  const store = openAzureStore({ account, transport: azureTransport, now, log: silentLog, retries: 0 });
  const azure = serve(store);

  const object = { bucket: 'bucket', key: 'k' };
  const body = () => ({ body: blocks(size), bodyLength: size });
  const drop = () => new Writable({ write: (_chunk, _encoding, done) => done() });
  const part = `partNumber=1&uploadId=${UPLOAD}`;
  const steps: Readonly<Record<string, (handler: Handler) => Promise<unknown>>> = {
    [`PUT ${size / MiB} MiB`]: (handler) => handler(s3Request({ ...object, method: 'PUT', ...body() })),
    [`UploadPart ${size / MiB} MiB`]: (handler) =>
      handler(s3Request({ ...object, method: 'PUT', query: part, ...body() })),
    [`GET ${size / MiB} MiB`]: async (handler) => {
      const answer = await handler(s3Request({ ...object, method: 'GET' }));
      if (answer.body instanceof Readable) await pipeline(answer.body, drop());
    },
    '2000 GETs of 16 KiB': async (handler) => {
      for (let index = 0; index < 2000; index++) {
        await bytesOf(await handler(s3Request({ bucket: 'bucket', key: 'small', method: 'GET' })));
      }
    },
  };
  for (const [title, step] of Object.entries(steps)) {
    for (const [name, handler] of Object.entries({ s3, azure })) await report(`${title}, ${name}`, () => step(handler));
  }
  await report(`20 listings of ${LISTED}, azure`, async () => {
    for (let index = 0; index < 20; index++) {
      await bytesOf(await azure(s3Request({ bucket: 'bucket', method: 'GET', query: 'list-type=2' })));
    }
  });
  await Promise.all([transport.close(), store.close()]);
  storage.kill();
}

async function report(title: string, work: () => Promise<unknown>): Promise<void> {
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  clearInterval(watch);
  const seconds = ((performance.now() - started) / 1000).toFixed(2);
  console.log(
    `${title}: ${seconds} s, CPU ${((user + system) / 1e6).toFixed(2)} s, peak RSS ${(peak / MiB).toFixed(0)} MiB`,
  );
}

await (process.env.BENCH_STORAGE === '1' ? serveBlocks() : measure());
