/**
 * CPU of the whole gateway over the Azure store beside that of the S3 forward path, in one run: uploads as real clients
 * send them, one large read, small reads, listings. Both storages are one other process, over HTTPS as accounts are,
 * which throws uploads away and makes downloads up; of Azure it plays what Sluice asks, as documented.
 *
 *   node bench/azure.ts [MiB in each step, 128 by default] [another checkout]      needs openssl; Linux
 *
 * The other checkout's Azure store is measured in turn with this one's, as `before`. Each step is done four times by each, after once for
 * nothing, and the cheapest counts.
 * Prints CPU of the gateway's process alone, per GiB or per request. Ratios count; times do not on a shared machine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packRecord } from '../src/store/azure/record.ts';
import { selfSigned } from '../test/support/self-signed.ts';
import { type Asking, md5Base64, wireClient } from '../test/support/wire-client.ts';
import { cpuSeconds, memoryMiB, NODE_FLAGS, start, stop } from './processes.ts';

const MiB = 1024 * 1024;
const total = Number(process.argv[2] ?? 128);
const other = process.argv[3];
const ROUNDS = 4;
const KEY = { accessKey: 'BENCHKEY', secretKey: 'bench-secret' };
const PART = 16;
const LISTED = 1000;
const READ_MIB = 256;
const SMALL = 16_384;
const block = Buffer.alloc(64 * 1024, 7);

/** A storage that is an S3 service below /bench-s3 and an Azure account below /bench. */
async function serveBlocks(key: string, cert: string): Promise<void> {
  const upload = packRecord({ upload: { key: 'k', initiated: 0 } });
  const listing = `<EnumerationResults><Blobs>${Array.from({ length: LISTED }, (_, index) => blobEntry(index)).join('')}</Blobs><NextMarker /></EnumerationResults>`;
  const s3Listing = `<ListBucketResult><Name>bench-s3</Name><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>${Array.from({ length: LISTED }, (_, index) => s3Entry(index)).join('')}</ListBucketResult>`;
  const described = {
    etag: '"0x8D1"',
    'last-modified': new Date(0).toUTCString(),
    'x-ms-meta-sluice': upload,
  };
  const server = createServer({ key, cert }, async (request, response) => {
    const { method, url = '', headers } = request;
    const isAzure = !url.startsWith('/bench-s3');
    if (method === 'PUT' || method === 'POST') {
      const md5 = createHash('md5');
      let size = 0;
      for await (const chunk of request) {
        size += (chunk as Buffer).length;
        // Nobody here looks at that of large ones, and the machine has better to do.
        if (size <= 64) md5.update(chunk as Buffer);
      }
      const answer = method === 'POST' ? '<R><Bucket>b</Bucket><Key>k</Key><UploadId>u1</UploadId></R>' : '';
      const document = answer.replaceAll('R>', 'InitiateMultipartUploadResult>');
      const isTold = !url.includes('comp=block&') || String(headers['x-ms-version']) < '2019-02-02';
      const told = isAzure && isTold && { 'content-md5': headers['content-md5'] ?? md5.digest('base64') };
      const status = isAzure ? 201 : 200;
      response.writeHead(status, { ...described, ...told, 'content-length': document.length }).end(document);
    } else if (method === 'HEAD') {
      response.writeHead(200, { ...described, 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==', 'content-length': 1 }).end();
    } else if (url.includes('comp=list') || /^\/bench-s3\/?(\?|$)/.test(url)) {
      const text = isAzure ? listing : s3Listing;
      response.writeHead(200, { 'content-length': Buffer.byteLength(text) }).end(text);
    } else {
      const whole = /small/.test(url) ? SMALL : READ_MIB * MiB;
      const range = headers['x-ms-range'] !== undefined && { 'content-range': `bytes 0-${whole - 1}/${whole}` };
      response.writeHead(range ? 206 : 200, { ...described, ...range, 'content-length': whole });
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

function blobEntry(index: number): string {
  const properties =
    '<Creation-Time>Fri, 20 Nov 2026 10:00:00 GMT</Creation-Time><Last-Modified>Fri, 20 Nov 2026 10:00:00 GMT</Last-Modified><Etag>0x8D1</Etag><Content-Length>1</Content-Length><Content-Type>text/plain</Content-Type><Content-Encoding /><Content-Language /><Content-CRC64 /><Content-MD5>1B2M2Y8AsgTpgAmY7PhCfg==</Content-MD5><Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted>';
  return `<Blob><Name>folder/object-${index}</Name><Properties>${properties}</Properties><Metadata><sluice>eyJ2IjoxLCJuIjoiYWJjZGVmZ2hpamtsIn0</sluice></Metadata><OrMetadata /></Blob>`;
}

function s3Entry(index: number): string {
  return `<Contents><Key>folder/object-${index}</Key><LastModified>2026-11-20T10:00:00.000Z</LastModified><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>`;
}

/** What clients send with their bytes, and what checking it costs on either path. */
const part = Buffer.alloc(PART * MiB, 7);
const UPLOADS: Readonly<Record<string, Asking>> = {
  'presigned or unsigned (Score)': { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }, body: part },
  'CRC32 trailer (boto3, SDKs over HTTPS)': { signing: 'v4-trailer', body: part },
  'SHA-256 signed (Go SDK v1, restic)': { body: part },
  'SHA-256 and Content-MD5 (s3cmd, rclone)': { headers: { 'content-md5': md5Base64(part) }, body: part },
};

/** One gateway over both storages. */
interface Bench {
  readonly gateway: ChildProcess;
  readonly port: number;
  readonly bucket: string;
}

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const { certFile, keyFile } = await selfSigned(folder, 'localhost');
  const storage = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    env: { ...process.env, BENCH_KEY: keyFile, BENCH_CERT: certFile },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [storagePort] = await once(storage, 'message');
  const startGateway = async (checkout: string): Promise<Omit<Bench, 'bucket'>> => {
    const port = await freePort();
    const config = join(folder, `${port}.yaml`);
    writeFileSync(
      config,
      `listen: 127.0.0.1:${port}
admin: { listen: "127.0.0.1:0" }
log: { level: warn }
credentials: [{ name: bench, accessKey: BENCHKEY, secretKey: bench-secret }]
storages:
  - { name: s3, provider: other, endpoint: "localhost:${storagePort}", ca: ${certFile}, bucket: bench-s3, accessKey: a, secretKey: b }
  - { name: azure, provider: azure, endpoint: "localhost:${storagePort}/bench", ca: ${certFile}, account: bench, accountKey: AAAA, bucket: bench-azure }
`,
    );
    const main = join(checkout, 'src/main.ts');
    const args = [...NODE_FLAGS, main, 'serve', '--config', config];
    return { gateway: await start(process.execPath, args, /Admin page/), port };
  };
  const own = await startGateway(fileURLToPath(new URL('..', import.meta.url)));
  const before = other === undefined ? undefined : await startGateway(other);
  const candidates: Readonly<Record<string, Bench>> = {
    s3: { ...own, bucket: 'bench-s3' },
    ...(before && { before: { ...before, bucket: 'bench-azure' } }),
    azure: { ...own, bucket: 'bench-azure' },
  };
  const teardowns: (() => unknown)[] = [];
  const clientOf = ({ port }: Bench) =>
    // Tap says more of what a teardown may give than is of use here.
    wireClient({ teardown: (each) => void teardowns.push(each as () => unknown) }, { ...KEY, port });

  const report = async (title: string, unit: number, step: (bench: Bench) => Promise<unknown>) => {
    const costs = new Map<string, number>();
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [name, bench] of Object.entries(candidates)) {
        const pid = bench.gateway.pid ?? 0;
        const start = cpuSeconds(pid);
        await step(bench);
        const cost = (cpuSeconds(pid) - start) / unit;
        // What is asked once, and compiled, is not what lasts. A neighbour can only make it dearer.
        if (round > 0) costs.set(name, Math.min(cost, costs.get(name) ?? cost));
      }
    }
    const s3 = costs.get('s3') ?? 0;
    const text = [...costs].map(([name, cost]) => `${name} ${cost.toFixed(2)} (${(cost / s3).toFixed(2)})`);
    console.log(`${title.padEnd(56)} ${text.join('   ')}`);
  };

  try {
    console.log(`CPU seconds per GiB, parts of ${PART} MiB; in brackets the ratio to s3`);
    const times = Math.max(1, Math.round(total / PART));
    for (const [title, asking] of Object.entries(UPLOADS)) {
      await report(`UploadPart, ${title}`, (times * PART) / 1024, async (bench) => {
        const client = clientOf(bench);
        const begun = await client.ask('POST', bench.bucket, 'k', { query: 'uploads=' });
        const query = `partNumber=1&uploadId=${/<UploadId>([^<]+)</.exec(begun.text)?.[1]}`;
        await repeat(bench.port, client.sign('PUT', bench.bucket, 'k', { ...asking, query }), times);
      });
      await report(`PutObject, ${title}`, (times * PART) / 1024, (bench) =>
        repeat(bench.port, clientOf(bench).sign('PUT', bench.bucket, 'k', asking), times),
      );
    }
    await report(`GetObject of ${READ_MIB} MiB`, READ_MIB / 1024, (bench) =>
      repeat(bench.port, clientOf(bench).sign('GET', bench.bucket, 'k'), 1),
    );
    console.log('CPU milliseconds per request');
    await report('GetObject of 16 KiB', 1, (bench) =>
      repeat(bench.port, clientOf(bench).sign('GET', bench.bucket, 'small'), 1000),
    );
    await report(`ListObjectsV2 of ${LISTED}`, 0.02, (bench) =>
      repeat(bench.port, clientOf(bench).sign('GET', bench.bucket, undefined, { query: 'list-type=2' }), 20),
    );
    console.log(`gateway: ${memoryMiB(own.gateway.pid ?? 0).peak} MiB at most`);
  } finally {
    for (const teardown of teardowns) await teardown();
    await Promise.all([own, ...(before ? [before] : [])].map(({ gateway }) => stop(gateway)));
    storage.kill();
    rmSync(folder, { recursive: true });
  }
}

/** Sends the same signed request again and again on one connection. */
async function repeat(
  port: number,
  { method, target, headers, body }: ReturnType<ReturnType<typeof wireClient>['sign']>,
  times: number,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let round = 0; round < times; round++) {
    const outgoing = httpRequest({ host: '127.0.0.1', port, agent, method, path: target, headers, setHost: false });
    outgoing.end(body);
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    incoming.resume();
    await once(incoming, 'end');
    if (incoming.statusCode !== 200) throw new Error(`${method} ${target} answered ${incoming.statusCode}`);
  }
  agent.destroy();
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  // Listening on TCP gives an AddressInfo.
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const { BENCH_KEY, BENCH_CERT } = process.env;
if (BENCH_KEY !== undefined && BENCH_CERT !== undefined) {
  await serveBlocks(readFileSync(BENCH_KEY, 'utf8'), readFileSync(BENCH_CERT, 'utf8'));
} else {
  await measure();
}
