import t, { type Test } from 'tap';
import { checkStorage } from '../../src/commands/check/storage.ts';
import { parseConfig } from '../../src/config/load.ts';
import { CREDENTIALS, startTestGateway } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';
import { crc32Of, md5Base64, md5Hex, textsOf, type WireClient, wireClient } from '../support/wire-client.ts';
import { STAND_IN_KEY, type StandIn, startStandIn } from '../vendors/stand-in.ts';
import type { Strictness } from '../vendors/strictness.ts';

/** What Zadig (Z), ZenML (M) and Overture Score (S) need of operations and names: docs/systems. */

const MiB = 2 ** 20;
const X = Buffer.from('x');

interface Behind extends WireClient {
  readonly vendor: StandIn;
  readonly port: number;
}

interface Setting {
  readonly changes?: Partial<Strictness>;
  /** Of the storage, as YAML in flow style. */
  readonly more?: string;
  readonly buckets?: string;
}

/** A strict vendor, where the client's bucket `shown` is `real` and every key stands under `team/a+b/`. */
async function behind(t: Test, { changes = {}, more = '', buckets = '' }: Setting = {}): Promise<Behind> {
  const vendor = await startStandIn('other', changes);
  t.teardown(() => vendor.close());
  const keys = `accessKey: ${STAND_IN_KEY.accessKey}, secretKey: ${STAND_IN_KEY.secretKey}`;
  const fields = `provider: other, endpoint: "${vendor.endpoint}", region: ${vendor.row.region}, protocol: http, ${keys}`;
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - { name: plain, ${fields}${more}, default: true }
buckets:
  - { name: shown, storage: plain, bucket: real, prefix: team/a+b/ }
${buckets}`);
  t.teardown(() => gateway.close());
  const client = wireClient(t, { port: gateway.port });
  t.equal((await client.ask('PUT', 'real')).status, 200);
  return { ...client, vendor, port: gateway.port };
}

function deletion(keys: readonly string[], more = ''): Buffer {
  return Buffer.from(`<Delete>${more}${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`);
}

t.test('ZMS-R7 DeleteObjects has its Content-MD5 at the vendor, whatever the client sent', async (t) => {
  const { ask, vendor } = await behind(t);
  const forms = [
    { query: 'delete', quiet: '<Quiet>true</Quiet>', md5: false, crc: true },
    { query: 'delete=', quiet: '', md5: true, crc: false },
  ];
  for (const { query, quiet, md5, crc } of forms) {
    await ask('PUT', 'shown', 'there', { body: X });
    const body = deletion(['there', 'zenml/logs', 'never'], quiet);
    const checksum = { 'x-amz-checksum-crc32': crc32Of(body), 'x-amz-sdk-checksum-algorithm': 'CRC32' };
    const headers = { ...(crc && checksum), ...(md5 && { 'content-md5': md5Base64(body) }) };
    const { status, text } = await ask('POST', 'shown', undefined, { query, body, headers });
    t.equal(status, 200);
    t.equal(textsOf(text, 'Key').length, quiet === '' ? 3 : 0, 'missing keys count as deleted');
    t.notMatch(text, '<Error>');
    const seen = vendor.requests.findLast(({ method }) => method === 'POST')?.headers;
    t.match(seen?.['content-md5'], /^[A-Za-z0-9+/]{22}==$/);
    t.equal((await ask('HEAD', 'shown', 'there')).status, 404);
    const wrong = { ...(crc ? { 'x-amz-checksum-crc32': crc32Of(X) } : { 'content-md5': md5Base64(X) }) };
    await ask('PUT', 'shown', 'there', { body: X });
    t.match(await ask('POST', 'shown', undefined, { query, body, headers: wrong }), { status: 400, code: 'BadDigest' });
    t.equal((await ask('HEAD', 'shown', 'there')).status, 200, 'nothing is deleted');
  }
  const bare = await ask('POST', 'shown', undefined, { query: 'delete', body: deletion(['there']) });
  t.match(bare, { status: 400, code: 'InvalidRequest' }, 'as S3 refuses what has neither');
});

t.test('ZMS-R8 more than a thousand keys are deleted in turns and answered as one', async (t) => {
  const { ask, vendor } = await behind(t);
  const keys = Array.from({ length: 1500 }, (_, index) => `wf/12/${index}`);
  for (const key of ['wf/12/0', 'wf/12/1499']) await ask('PUT', 'shown', key, { body: X });
  const body = deletion(keys);
  const headers = { 'content-md5': md5Base64(body) };
  const { status, text } = await ask('POST', 'shown', undefined, { query: 'delete=', body, headers });
  t.equal(status, 200, text);
  t.ok(textsOf(text, 'Key').sort().join() === [...keys].sort().join());
  t.equal(vendor.requests.filter(({ method }) => method === 'POST').length, 2);
  for (const key of ['wf/12/0', 'wf/12/1499']) t.equal((await ask('HEAD', 'shown', key)).status, 404);
});

t.test('ZMS-R9 ZMS-R10 a list of 5,000 is a list of 1,000, encoded, in the order of bytes, and goes on', async (t) => {
  const { ask } = await behind(t);
  const keys = ['part-1|{"a":1,"b":2}', 'part-2 +&=é', 'part-\u{ffee}', 'part-\u{10000}', 'part-a/1', 'part-a/2'];
  for (const key of keys) await ask('PUT', 'shown', `up/${key}`, { body: X });
  const due = keys.map((key) => `up/${key}`).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const version of ['', 'list-type=2&']) {
    const query = `${version}delimiter=&encoding-type=url&max-keys=5000&prefix=up%2Fpart`;
    const { status, text } = await ask('GET', 'shown', undefined, { query });
    t.equal(status, 200);
    t.strictSame(textsOf(text, 'Key').map(formDecode), due);
    t.strictSame(textsOf(text, 'Prefix').map(formDecode), ['up/part']);
    t.ok(Number(textsOf(text, 'MaxKeys')[0]) <= 1000);
  }
  const all = await ask('GET', 'shown', undefined, { query: 'delimiter=%2F&prefix=' });
  t.match(all, { status: 200, text: '<CommonPrefixes><Prefix>up/</Prefix></CommonPrefixes>' });
  const found: string[] = [];
  for (let marker = ''; ; ) {
    const query = `delimiter=%2F&encoding-type=url&max-keys=2&prefix=up%2F&marker=${encodeURIComponent(marker)}`;
    const { text } = await ask('GET', 'shown', undefined, { query });
    const prefixes = textsOf(text.slice(text.indexOf('<CommonPrefixes>')), 'Prefix');
    found.push(...[...textsOf(text, 'Key'), ...(text.includes('<CommonPrefixes>') ? prefixes : [])].map(formDecode));
    if (text.includes('<IsTruncated>false<')) break;
    marker = formDecode(textsOf(text, 'NextMarker')[0] ?? '');
    if (!t.not(marker, '', 'NextMarker')) break;
  }
  t.strictSame(found.sort(), [...new Set(due.map((key) => key.replace(/\/[12]$/, '/')))].sort());
});

t.test('ZMS-R11 names are the client’s in front and the vendor’s behind, wherever they stand', async (t) => {
  const { ask } = await behind(t);
  const key = 'jobé/a b+c&d.html';
  await ask('PUT', 'shown', key, { body: X });
  t.equal((await ask('GET', 'real', `team/a+b/${key}`)).status, 200);
  const raw = Buffer.from(key).toString('latin1');
  const sources = [
    `shown/${raw}`,
    `/shown/${raw}`,
    `shown/${encodeURIComponent(key)}`,
    `/shown/${encodeURIComponent(key)}`,
  ];
  for (const [index, source] of sources.entries()) {
    // An unescaped plus is a plus: Zadig's SDK sends the key as it is.
    const copied = await ask('PUT', 'shown', `copy-${index}`, { headers: { 'x-amz-copy-source': source } });
    t.match(copied, { status: 200, text: '<CopyObjectResult' }, source);
  }
  const listed = await ask('GET', 'shown', undefined, { query: 'list-type=2&max-keys=2&start-after=copy-0' });
  t.strictSame(textsOf(listed.text, 'Key'), ['copy-1', 'copy-2']);
  t.strictSame(textsOf(listed.text, 'StartAfter'), ['copy-0']);
  const token = encodeURIComponent(textsOf(listed.text, 'NextContinuationToken')[0] ?? '');
  const rest = await ask('GET', 'shown', undefined, { query: `list-type=2&continuation-token=${token}` });
  t.strictSame(textsOf(rest.text, 'Key'), ['copy-3', key]);
  const paged = await ask('GET', 'shown', undefined, { query: 'delimiter=%2F&marker=copy-2&max-keys=1' });
  t.strictSame([...textsOf(paged.text, 'Marker'), ...textsOf(paged.text, 'NextMarker')], ['copy-2', 'copy-3']);
  const removed = await ask('POST', 'shown', undefined, {
    query: 'delete',
    body: deletion(['copy-3', 'never']),
    headers: { 'content-md5': md5Base64(deletion(['copy-3', 'never'])) },
  });
  t.strictSame(textsOf(removed.text, 'Key').sort(), ['copy-3', 'never']);
  t.equal((await ask('HEAD', 'real', 'team/a+b/copy-3')).status, 404);
  const created = await ask('POST', 'shown', 'open', { query: 'uploads' });
  t.strictSame([...textsOf(created.text, 'Bucket'), ...textsOf(created.text, 'Key')], ['shown', 'open']);
  const uploads = await ask('GET', 'shown', undefined, { query: 'uploads&prefix=op' });
  t.strictSame([...textsOf(uploads.text, 'Key'), ...textsOf(uploads.text, 'Prefix')], ['open', 'op']);
  const ofUpload = `uploadId=${encodeURIComponent(textsOf(created.text, 'UploadId')[0] ?? '')}`;
  const part = await ask('PUT', 'shown', 'open', { query: `partNumber=1&${ofUpload}`, body: X });
  const parts = await ask('GET', 'shown', 'open', { query: ofUpload });
  t.strictSame([...textsOf(parts.text, 'Bucket'), ...textsOf(parts.text, 'Key')], ['shown', 'open']);
  const xml = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
  const whole = await ask('POST', 'shown', 'open', { query: ofUpload, body: Buffer.from(xml) });
  t.strictSame([...textsOf(whole.text, 'Bucket'), ...textsOf(whole.text, 'Key')], ['shown', 'open']);
  t.match(textsOf(whole.text, 'Location')[0], /shown\/open$/);
  const told = [
    paged.text,
    removed.text,
    parts.text,
    whole.text,
    listed.text,
    rest.text,
    created.text,
    uploads.text,
    (await ask('GET', 'shown', 'none')).text,
  ].join();
  t.notMatch(told, /real|team\/|team%2F|VENDOR|localhost/);
});

t.test('ZMS-R12 ZMS-R13 ETags that the vendor mangles are MD5s, the same in every answer', async (t) => {
  const changes = { etagCase: 'upper', multipartETag: 'random' } as const;
  const { ask } = await behind(t, { changes, more: ', etag: md5' });
  const body = generatedBytes(5 * MiB, 3);
  const md5 = md5Hex(body);
  t.equal((await ask('PUT', 'shown', 'one', { body })).headers.etag, `"${md5}"`);
  const head = await ask('HEAD', 'shown', 'one');
  const list = await ask('GET', 'shown', undefined, { query: 'list-type=2&prefix=one' });
  const read = await ask('GET', 'shown', 'one', { headers: { 'if-match': `"${md5}"`, range: 'bytes=0-9' } });
  t.strictSame([head.headers.etag, textsOf(list.text, 'ETag')[0], read.headers.etag], Array(3).fill(`"${md5}"`));
  t.equal(read.status, 206);
  t.equal((await ask('GET', 'shown', 'one', { headers: { 'if-match': '"0123"' } })).status, 412);
  t.equal((await ask('GET', 'shown', 'one', { headers: { 'if-match': md5 } })).status, 200, 'without quotes');
  for (const quote of ['"', '']) {
    const id = textsOf((await ask('POST', 'shown', 'parts', { query: 'uploads' })).text, 'UploadId')[0];
    const part = await ask('PUT', 'shown', 'parts', { query: `partNumber=1&uploadId=${id}`, body });
    t.equal(part.headers.etag, `"${md5}"`);
    const parts = await ask('GET', 'shown', 'parts', { query: `uploadId=${id}&max-parts=1&part-number-marker=0` });
    t.match(textsOf(parts.text, 'ETag')[0], md5);
    const etag = `<ETag>${quote}${md5}${quote}</ETag>`;
    const xml = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>${etag}</Part></CompleteMultipartUpload>`;
    const completed = await ask('POST', 'shown', 'parts', { query: `uploadId=${id}`, body: Buffer.from(xml) });
    t.equal(completed.status, 200, completed.text);
    const whole = (await ask('HEAD', 'shown', 'parts')).headers.etag;
    t.equal(textsOf((await ask('GET', 'shown', undefined, { query: 'prefix=parts' })).text, 'ETag')[0], whole);
  }
});

t.test('ZMS-R14 ZMS-R15 parts and uploads are listed, by ids that fit into a key', async (t) => {
  const { ask } = await behind(t);
  const id = textsOf((await ask('POST', 'shown', 'data/id', { query: 'uploads' })).text, 'UploadId')[0] ?? '';
  t.match(id, /^[A-Za-z0-9_-]+$/, 'nothing that a key, a listing or a URL would change');
  for (const number of [1, 2]) {
    const body = generatedBytes(100, number);
    await ask('PUT', 'shown', 'data/id', { query: `partNumber=${number}&uploadId=${id}`, body });
    const query = `uploadId=${id}&max-parts=1&part-number-marker=${number - 1}`;
    const { text } = await ask('GET', 'shown', 'data/id', { query });
    t.strictSame(textsOf(text, 'PartNumber'), [String(number)]);
    t.match(textsOf(text, 'ETag')[0], md5Hex(body));
  }
  const { text } = await ask('GET', 'shown', undefined, { query: 'uploads' });
  t.strictSame([textsOf(text, 'Key')[0], textsOf(text, 'UploadId')[0]], ['data/id', id], 'the same id as before');
  t.ok(Math.abs(Date.now() - Date.parse(textsOf(text, 'Initiated')[0] ?? '')) < 60_000);
  t.equal((await ask('DELETE', 'shown', 'data/id', { query: `uploadId=${id}` })).status, 204);
  t.equal((await ask('GET', 'shown', 'data/id', { query: `uploadId=${id}` })).status, 404);
});

t.test('ZMS-R18 a family of buckets with dots and capitals lies in legal ones, or is pooled', async (t) => {
  const buckets = `  - { name: score.data.6, storage: plain, bucket: score-data-6 }
  - { name: test_object_bucket, storage: plain, bucket: real, prefix: objects/ }
  - { name: My_Bkt.x, storage: plain, bucket: real, prefix: x/ }
  - { name: pooled, storage: plain, bucket: real, pool: { size: 100, key: 2, bucket: "score-data-{n}" } }
`;
  const { ask } = await behind(t, { buckets });
  const ids = ['56f3cb04-38b4-574c-bffb-af1426113194', '06f3cb04-38b4-574c-bffb-af1426113194'];
  for (const name of ['score.data.6', 'score-data-86']) t.equal((await ask('PUT', name)).status, 200, name);
  for (const name of ['score.data.6', 'test_object_bucket', 'My_Bkt.x']) {
    t.equal((await ask('PUT', name, 'k', { body: X })).status, 200, name);
    t.match(await ask('GET', name, undefined, { query: 'prefix=k' }), { text: `<Name>${name}</Name>` });
  }
  for (const [index, id] of ids.entries()) {
    t.equal((await ask('PUT', 'pooled', `data/${id}`, { body: X })).status, 200);
    const real = ['score-data-86', 'score-data-6'][index] ?? '';
    t.equal((await ask('HEAD', real, `data/${id}`)).status, 200, `${id} lies in ${real}, as Score would have it`);
  }
  await ask('PUT', 'real', `data/old-${ids[0]}`, { body: X });
  t.equal((await ask('HEAD', 'pooled', `data/old-${ids[0]}`)).status, 200, 'what is not pooled is in the base bucket');
});

t.test('ZMS-R19 ZMS-R20 what clients ask before anything else has an answer', async (t) => {
  const { ask } = await behind(t);
  t.match(await ask('GET', 'shown', undefined, { query: 'acl' }), { status: 200, text: '<AccessControlPolicy' });
  const versioning = await ask('GET', 'shown', undefined, { query: 'versioning' });
  t.match(versioning, { status: 200, text: '<VersioningConfiguration' });
  t.notMatch(versioning.text, '<Status>');
  t.match(await ask('GET', 'shown', undefined, { query: 'location' }), { status: 200, text: '<LocationConstraint' });
  t.equal((await ask('HEAD', 'shown')).status, 200);
  t.equal((await ask('HEAD', 'unknown')).status, 404);
  t.match(await ask('GET', 'unknown', undefined, { query: 'location' }), { status: 404, code: 'NoSuchBucket' });
});

t.test('ZMS-R24 a single PUT above what the vendor takes becomes an upload in parts', async (t) => {
  const limits = ', maxSinglePut: 6291456, uploadPartSize: 5MiB';
  const { ask, vendor } = await behind(t, { changes: { maxPut: 6 * MiB }, more: limits });
  const body = generatedBytes(12 * MiB, 24);
  const headers = { 'content-md5': md5Base64(body), 'content-type': 'application/gzip' };
  t.equal((await ask('PUT', 'shown', 'cache.tar.gz', { body, headers, expects: true })).status, 200);
  const read = await ask('GET', 'shown', 'cache.tar.gz');
  t.ok(read.body.equals(body));
  t.equal(read.headers['content-type'], 'application/gzip');
  t.ok(vendor.requests.some(({ target }) => target.includes('partNumber=3')));
});

t.test('ZMS-R31 a storage is tried before it is used, and what fails is told by its name', async (t) => {
  const { vendor } = await behind(t);
  const tried = async (secretKey: string) => {
    const fields = `endpoint: "${vendor.endpoint}", protocol: http, region: ${vendor.row.region}, accessKey: ${STAND_IN_KEY.accessKey}`;
    const yaml = `${CREDENTIALS}\nstorages: [{ name: s, provider: other, ${fields}, secretKey: ${secretKey}, bucket: real, prefix: team/ }]`;
    const [storage] = parseConfig(yaml, 'test', { env: {}, readFile: () => '' }).storages;
    if (storage === undefined) throw new Error('no storage');
    return checkStorage(storage, { bucket: undefined, now: () => new Date() });
  };
  const good = await tried(STAND_IN_KEY.secretKey);
  t.ok(good.isUsable, JSON.stringify(good.findings));
  for (const capability of ['reach', 'sign', 'put', 'list', 'multipart', 'delete']) {
    t.ok(
      good.findings.some((finding) => finding.capability === capability && finding.state !== 'failed'),
      capability,
    );
  }
  t.equal(vendor.buckets.get('real')?.objects.size, 0, 'nothing stays behind, as Zadig’s test object does');
  const bad = await tried('not-the-secret-key');
  t.notOk(bad.isUsable);
  t.match(bad.findings.at(-1), { capability: 'sign', state: 'failed' });
});

function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
