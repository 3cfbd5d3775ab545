import t, { type Test } from 'tap';
import { type Fault, type FaultyLine, startFaultyLine } from '../support/faulty-line.ts';
import { CREDENTIALS, startTestGateway } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';
import { crc32Of, md5Hex, textsOf, type WireAnswer, type WireClient, wireClient } from '../support/wire-client.ts';
import { STAND_IN_KEY, startStandIn } from '../vendors/stand-in.ts';

/**
 * Each system on each failure of the storage behind, without a cache and with its preset: it ends as its own code expects,
 * and what is stored afterwards is what was stored before (docs/systems). With the systems' real clients: test/interop/systems.
 */

// Each system on each failure twice, on machines that do other things as well.
t.setTimeout(240_000);
// Most of it is waiting. No more at once: a silent storage must not be one that is merely busy.
t.jobs = 2;
const MiB = 2 ** 20;
const BUCKET = 'bucket';
const RUN = '56f3cb04-38b4-574c-bffb-af1426113194';
const FAULTS = ['down', 'slow', 'halfway', 'refusing'] as const satisfies readonly Fault[];
/** What reads of what is not cached get of each. */
const BREAKS_READS: Readonly<Record<Fault, boolean>> = {
  none: false,
  down: true,
  slow: true,
  halfway: true,
  refusing: false,
};

interface Setting {
  readonly client: WireClient;
  readonly line: FaultyLine;
  /** The gateway's, as clients name it. */
  readonly host: string;
}

async function start(t: Test, cache: string): Promise<Setting> {
  const vendor = await startStandIn('other');
  const line = await startFaultyLine(vendor.port);
  const endpoint = vendor.endpoint.replace(`:${vendor.port}`, `:${line.port}`);
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - name: vendor
    provider: other
    endpoint: "${endpoint}"
    protocol: http
    region: ${vendor.row.region}
    accessKey: ${STAND_IN_KEY.accessKey}
    secretKey: ${STAND_IN_KEY.secretKey}
    retries: 0
    idleTimeout: 150ms
    connectTimeout: 1s
    default: true
buckets: [{ name: ${BUCKET}, storage: vendor, cache: ${cache} }]
cache: { memory: 64MiB, verify: 0 }
`);
  t.teardown(async () => {
    await gateway.close();
    await line.close();
    await vendor.close();
  });
  const client = wireClient(t, { port: gateway.port });
  t.equal((await client.ask('PUT', BUCKET)).status, 200);
  return { client, line, host: `127.0.0.1:${gateway.port}` };
}

/** Ends the fault. A cache asks a storage that was down once a second whether it is back, and answers 503 until then. */
async function recover({ line, client }: Setting): Promise<void> {
  line.set('none');
  while ((await client.ask('HEAD', BUCKET, 'never-there')).status !== 404);
}

/** An answer, or that there was no whole one. */
function answered(asking: Promise<WireAnswer>): Promise<WireAnswer | 'broken'> {
  return asking.catch(() => 'broken' as const);
}

/** The job of a build: the workspace first, then the work, then the workspace back. Errors of both are ignored. */
async function zadigBuilds(client: WireClient, work: Buffer): Promise<{ from: Buffer | undefined; isKept: boolean }> {
  const key = 'wf/cache/svc/mod/zadig-build-cache.tar.gz';
  let from: Buffer | undefined;
  for (let attempt = 0; attempt < 3 && from === undefined; attempt++) {
    const read = await answered(client.ask('GET', BUCKET, key));
    if (read === 'broken') continue;
    if (read.status === 200) from = read.body;
    else if (read.code === 'NoSuchKey') break;
  }
  const put = await answered(client.ask('PUT', BUCKET, key, { body: work }));
  return { from, isKept: put !== 'broken' && put.status === 200 };
}

for (const cache of ['off', 'zadig'] as const) {
  t.test(
    `Zadig builds from nothing where its workspace cannot be had, and an old one stays whole, cache: ${cache}`,
    { buffered: true },
    async (t) => {
      const setting = await start(t, cache);
      const { client, line } = setting;
      const [old, next] = [generatedBytes(2 * MiB, 1), generatedBytes(2 * MiB, 2)];
      const workspace = async () => (await client.ask('GET', BUCKET, 'wf/cache/svc/mod/zadig-build-cache.tar.gz')).body;
      t.strictSame(await zadigBuilds(client, old), { from: undefined, isKept: true }, 'the first build');
      t.ok((await workspace()).equals(old));
      for (const fault of FAULTS) {
        line.set(fault);
        const built = await zadigBuilds(client, next);
        if (BREAKS_READS[fault] && cache === 'off') t.equal(built.from, undefined, `${fault}: a full build`);
        else t.ok(built.from?.equals(old), `${fault}: built on the workspace`);
        t.equal(built.isKept, false, `${fault}: what the build leaves is not kept, and Zadig ignores that`);
        await recover(setting);
        t.ok((await workspace()).equals(old), fault);
      }
      t.equal((await zadigBuilds(client, next)).isKept, true);
      t.ok((await zadigBuilds(client, next)).from?.equals(next), 'and all is well again');
    },
  );
}

/** What s3fs makes of an answer: it tries `SlowDown` and the like again, and raises what lasts. */
function zenmlDoes(answer: WireAnswer | 'broken'): 'goes on' | 'not found' | 'tries again' | 'raises' {
  if (answer === 'broken') return 'tries again';
  if (answer.status < 300) return 'goes on';
  if (answer.status === 404) return 'not found';
  return answer.status === 503 ? 'tries again' : 'raises';
}

for (const cache of ['off', 'zenml'] as const) {
  t.test(
    `ZenML hears of every failure, finds no artifact that was not written, and writes it later, cache: ${cache}`,
    { buffered: true },
    async (t) => {
      const setting = await start(t, cache);
      const { client, line } = setting;
      const write = (key: string, body: Buffer) =>
        client.ask('PUT', BUCKET, key, {
          body,
          expects: true,
          headers: { 'x-amz-checksum-crc32': crc32Of(body), 'x-amz-sdk-checksum-algorithm': 'CRC32' },
        });
      const artifact = (name: string) => `step/output/${RUN}/0a1b2c3d/${name}`;
      const model = generatedBytes(MiB, 3);
      const { etag } = (await write(artifact('model'), model)).headers;
      const headers = { range: 'bytes=10-600009', 'if-match': String(etag) };
      const readModel = () => client.ask('GET', BUCKET, artifact('model'), { headers });
      t.ok((await readModel()).body.equals(model.subarray(10, 600_010)));
      for (const [fault, name] of FAULTS.flatMap((each) =>
        [`${each}.json`, `${each}.log`].map((end) => [each, end] as const),
      )) {
        const key = name.endsWith('.log') ? `step/logs/${name}` : artifact(name);
        line.set(fault);
        t.equal(zenmlDoes(await answered(write(key, model))), 'tries again', `${name}: a write`);
        t.not(zenmlDoes(await answered(client.ask('GET', BUCKET, key))), 'goes on', `${name}: what was not written`);
        const isRead = !BREAKS_READS[fault] || cache !== 'off';
        const read = await answered(readModel());
        t.equal(zenmlDoes(read), isRead ? 'goes on' : 'tries again', `${name}: a read`);
        if (read !== 'broken' && isRead) t.ok(read.body.equals(model.subarray(10, 600_010)), `${name}: right bytes`);
        const exists = await answered(client.ask('HEAD', BUCKET, artifact('model')));
        t.not(
          zenmlDoes(exists),
          'not found',
          `${name}: trouble is no absence, or ZenML would write over what is there`,
        );
        await recover(setting);
        t.equal((await client.ask('HEAD', BUCKET, key)).status, 404, `${name}: nothing is there of it`);
        t.equal((await write(key, model)).status, 200);
        t.ok((await client.ask('GET', BUCKET, key)).body.equals(model), `${name}: written later`);
        t.ok((await readModel()).body.equals(model.subarray(10, 600_010)), `${name}: read later`);
      }
    },
  );
}

/** AmazonS3RetryableResponseErrorHandler. A connection that breaks is tried again. */
function scoreDoes(answer: WireAnswer | 'broken'): 'done' | 'retry' | 'stop' | 'abort all' {
  if (answer === 'broken') return 'retry';
  if (answer.status < 300) return 'done';
  if (answer.status === 500) return 'abort all';
  return answer.status === 404 || answer.status === 403 ? 'stop' : 'retry';
}

for (const cache of ['off', 'score'] as const) {
  t.test(
    `Score tries each part again until it is stored, and completes nothing else, cache: ${cache}`,
    { buffered: true },
    async (t) => {
      const setting = await start(t, cache);
      const { client, line, host } = setting;
      const slices = [generatedBytes(5 * MiB, 4), generatedBytes(MiB, 5)];
      for (const fault of FAULTS) {
        const key = `data/${fault}`;
        const [id = ''] = textsOf((await client.ask('POST', BUCKET, key, { query: 'uploads' })).text, 'UploadId');
        const ofUpload = `uploadId=${encodeURIComponent(id)}`;
        const send = (number: number, body: Buffer) => {
          const target = client.presign('PUT', BUCKET, key, { query: `partNumber=${number}&${ofUpload}` });
          const headers = { host, 'content-length': String(body.length) };
          return client.send({ method: 'PUT', target, headers, body });
        };
        for (const [index, body] of slices.entries()) {
          line.set(fault);
          for (let attempt = 0; attempt < 2; attempt++) {
            t.equal(scoreDoes(await answered(send(index + 1, body))), 'retry', `${fault}: part ${index + 1}`);
          }
          await recover(setting);
          const listed = await client.ask('GET', BUCKET, key, { query: ofUpload });
          t.equal(textsOf(listed.text, 'PartNumber').length, index, `${fault}: no part that was not acknowledged`);
          const stored = await send(index + 1, body);
          t.match(stored, { status: 200, headers: { etag: `"${md5Hex(body)}"` } }, `${fault}: stored at last`);
        }
        t.equal((await client.ask('HEAD', BUCKET, key)).status, 404, `${fault}: no object before its Complete`);
        const parts = slices.map(
          (body, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${md5Hex(body)}</ETag></Part>`,
        );
        const document = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`);
        const complete = () => client.ask('POST', BUCKET, key, { query: ofUpload, body: document });
        line.set(fault);
        t.equal(scoreDoes(await answered(complete())), 'retry', `${fault}: Complete`);
        await recover(setting);
        t.match(await complete(), { status: 200, text: /<CompleteMultipartUploadResult/ }, fault);
        t.ok((await client.ask('GET', BUCKET, key)).body.equals(Buffer.concat(slices)), `${fault}: whole`);
        t.equal((await client.ask('PUT', BUCKET, `${key}.meta`, { body: Buffer.from('{}') })).status, 200);
        const range = { range: `bytes=${5 * MiB}-` };
        const url = client.presign('GET', BUCKET, key, { headers: range });
        line.set(fault);
        const isRead = !BREAKS_READS[fault] || cache !== 'off';
        const slice = await answered(client.send({ method: 'GET', target: url, headers: { host, ...range } }));
        t.equal(scoreDoes(slice), isRead ? 'done' : 'retry', `${fault}: a download`);
        if (slice !== 'broken' && isRead)
          t.ok(slice.body.equals(slices[1] ?? Buffer.alloc(0)), `${fault}: the right slice`);
        const meta = await answered(client.ask('GET', BUCKET, `${key}.meta`));
        t.equal(scoreDoes(meta), BREAKS_READS[fault] ? 'retry' : 'done', `${fault}: no object looks absent`);
        await recover(setting);
      }
    },
  );
}
