import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import t from 'tap';
import type { StorageReport } from '../../src/commands/check/finding.ts';
import { checkStorage } from '../../src/commands/check/storage.ts';
import { parseConfig } from '../../src/config/load.ts';
import { s3Client } from '../support/clients.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../support/gateway.ts';
import { answerText, rawUpstream } from '../support/raw-upstream.ts';
import { sluice } from '../support/sluice-process.ts';

/** Sluice over its own store is the S3 service here. */
const gateway = await startTestGateway(
  `${CREDENTIALS}\nstorages: [{ name: local, provider: filesystem, path: ${t.testdir()}, default: true }]`,
);
t.teardown(() => gateway.close());
const client = s3Client(t, gateway.url);
await client.send(new CreateBucketCommand({ Bucket: 'tried' }));

function storage(port: number, fields: string): string {
  return `${CREDENTIALS}\nstorages: [{ name: s, endpoint: "localhost:${port}", protocol: http, accessKey: ${ACCESS_KEY}, secretKey: ${SECRET_KEY}, ${fields} }]\n`;
}

async function tried(fields: string, port = gateway.port, bucket?: string): Promise<StorageReport> {
  const config = parseConfig(storage(port, fields), 'test', { env: {}, readFile: () => '' });
  const [first] = config.storages;
  if (first === undefined) throw new Error('no storage');
  return checkStorage(first, { bucket, now: () => new Date() });
}

const found = ({ findings }: StorageReport, capability: string) =>
  findings.find((finding) => finding.capability === capability);

t.test('a service that does all is usable, and nothing is left on it', async (t) => {
  const report = await tried('provider: minio, bucket: tried, prefix: pre/');
  t.ok(report.isUsable, JSON.stringify(report));
  for (const capability of ['reach', 'clock', 'sign', 'put', 'list', 'multipart', 'ListObjectsV2', 'checksums']) {
    t.equal(found(report, capability)?.state, 'native', capability);
  }
  t.equal(found(report, 'if-none-match on CompleteMultipartUpload')?.state, 'native');
  t.equal((await client.send(new ListObjectsV2Command({ Bucket: 'tried' }))).KeyCount, 0);
  t.same((await client.send(new ListMultipartUploadsCommand({ Bucket: 'tried' }))).Uploads ?? [], []);
});

t.test('what the service can and the row denies is named, with the setting', async (t) => {
  const report = await tried('provider: other, bucket: tried, listVersion: 1, encodingType: unsupported');
  t.ok(report.isUsable);
  t.match(found(report, 'ListObjectsV2'), { state: 'emulated', setting: 'listVersion: 2' });
  t.match(found(report, 'encoding-type=url'), { state: 'emulated', setting: 'encodingType: pass' });
  t.match(found(report, 'checksums'), { state: 'emulated', setting: 'checksums: pass' });
  t.match(found(report, 'if-none-match on PutObject'), { state: 'missing', setting: /^ifNoneMatch: \{ by: native \}/ });
  t.match(found(report, 'GetObjectAttributes'), { state: 'emulated', setting: 'missing: without GetObjectAttributes' });
  t.match(found(report, 'signature v2'), { state: 'native' });
});

t.test('a guard that the service does not know makes a storage unusable', async (t) => {
  const report = await tried('provider: other, bucket: tried, ifNoneMatch: { by: header, name: x-none, value: "1" }');
  t.notOk(report.isUsable);
  t.match(found(report, 'if-none-match on PutObject'), { state: 'failed', setting: /refuse/ });
});

t.test('what cannot be reached, signed for or found is told by its reason', async (t) => {
  const closed = await rawUpstream(() => undefined);
  await closed.close();
  t.match(found(await tried('provider: other, bucket: tried', closed.port), 'reach'), {
    state: 'failed',
    note: 'connect: ECONNREFUSED',
  });
  t.match(found(await tried('provider: other, bucket: absent'), 'bucket'), {
    state: 'failed',
    note: 'there is no absent',
  });
  const none = await tried('provider: other');
  t.ok(none.isUsable);
  t.equal(found(none, 'everything else')?.state, 'skipped');
  t.equal(found(await tried('provider: other', gateway.port, 'tried'), 'put')?.state, 'native', '--bucket');

  const denial = '<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>X</AWSAccessKeyId></Error>';
  const date = new Date(Date.now() + 300_000).toUTCString();
  const refusing = await rawUpstream((socket) => socket.write(answerText(403, denial, { date })));
  t.teardown(() => refusing.close());
  const report = await tried('provider: other, bucket: tried', refusing.port);
  t.match(found(report, 'sign'), { state: 'failed', note: 'answered 403 SignatureDoesNotMatch' });
  t.match(found(report, 'clock'), { state: 'emulated', note: /^(299|300|301) s ahead of ours$/ });
});

t.test('the command ends with 0 when all is usable, 1 when not, 2 for what it cannot know', async (t) => {
  const cwd = t.testdir();
  const file = join(cwd, 'c.yaml');
  writeFileSync(file, storage(gateway.port, 'provider: minio, bucket: tried'));
  const run = async (...args: string[]) => {
    const ran = sluice(['check', '--config', file, ...args], { cwd });
    return { code: await ran.exited, stdout: ran.stdout(), stderr: ran.stderr() };
  };
  const [good, json, unknown] = await Promise.all([run(), run('--json', '--storage', 's'), run('--storage', 'nobody')]);
  t.equal(good.code, 0, good.stderr);
  t.match(good.stdout, /^s \(minio, http:\/\/localhost:\d+\): usable\n {2}reach +native/m);
  t.equal(json.code, 0);
  t.match(JSON.parse(json.stdout), { valid: true, problems: [], storages: [{ name: 's', isUsable: true }] });
  t.equal(unknown.code, 2);
  t.match(unknown.stderr, /--storage nobody: no storage has this name/);
  writeFileSync(file, storage(gateway.port, 'provider: minio, bucket: absent'));
  const bad = await run();
  t.equal(bad.code, 1);
  t.match(bad.stdout, /NOT usable/);
});
