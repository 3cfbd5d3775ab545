import { createHash } from 'node:crypto';
import type { Test } from 'tap';
import { generatedBytes } from '../../support/generated.ts';
import { type Asking, crc32Of, md5Hex, textsOf, type WireAnswer, type WireClient } from '../../support/wire-client.ts';
import { inTurns } from './zadig-replay.ts';

const MiB = 2 ** 20;

export interface ZenmlSetting {
  readonly client: WireClient;
  readonly bucket: string;
  /** Bytes of each part of a large file. */
  readonly parts: readonly number[];
  /** Whether the ETag of an object made of parts is the MD5 of their MD5s. */
  readonly hasAwsETags: boolean;
  /** What opening a file with `x` comes to where there is one: where the storage cannot tell, an error too. */
  readonly overwriting: 'PreconditionFailed' | 'NotImplemented';
  /** Keys of a long listing. */
  readonly keys: number;
  /** Only path style can name it; an alias makes it legal. */
  readonly oddBucket: string | undefined;
}

/** What s3fs and botocore send: every upload with a CRC32 and `Expect`, nothing compressed. */
export function zenmlCalls({ client, bucket }: Pick<ZenmlSetting, 'client' | 'bucket'>) {
  const common = {
    'accept-encoding': 'identity',
    'amz-sdk-invocation-id': '4f1c2a4e-0000-4000-8000-000000000000',
    'amz-sdk-request': 'attempt=1',
  };
  const call = (method: string, key?: string, asking: Asking = {}): Promise<WireAnswer> =>
    client.ask(method, bucket, key, { ...asking, headers: { ...common, ...asking.headers } });
  const crc = (body: Buffer) => ({ 'x-amz-checksum-crc32': crc32Of(body), 'x-amz-sdk-checksum-algorithm': 'CRC32' });
  const complete = (key: string, id: string, etags: readonly (string | undefined)[]) => {
    const parts = etags.map((etag, index) => `<Part><ETag>${etag}</ETag><PartNumber>${index + 1}</PartNumber></Part>`);
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`);
    return call('POST', key, { query: `uploadId=${encodeURIComponent(id)}`, body });
  };
  return {
    bucket,
    call,
    complete,
    put: (key: string, body: Buffer, headers: Readonly<Record<string, string>> = {}) =>
      call('PUT', key, { body, expects: body.length > 0, headers: { ...crc(body), ...headers } }),
    create: async (key: string) => textsOf((await call('POST', key, { query: 'uploads' })).text, 'UploadId')[0] ?? '',
    part: async (key: string, id: string, number: number, body: Buffer) => {
      const query = `partNumber=${number}&uploadId=${encodeURIComponent(id)}`;
      return (await call('PUT', key, { query, body, expects: true, headers: crc(body) })).headers.etag;
    },
    partCopy: async (key: string, id: string, number: number, headers: Readonly<Record<string, string>>) => {
      const query = `partNumber=${number}&uploadId=${encodeURIComponent(id)}`;
      return textsOf((await call('PUT', key, { query, headers })).text, 'ETag')[0];
    },
    range: (key: string, bytes: string, etag: string) =>
      call('GET', key, { headers: { range: `bytes=${bytes}`, 'if-match': etag, 'x-amz-checksum-mode': 'ENABLED' } }),
    list: (query: string) => call('GET', undefined, { query: `list-type=2&${query}&encoding-type=url` }),
    remove: (keys: readonly string[]) => {
      const objects = keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('');
      const body = Buffer.from(`<Delete><Quiet>true</Quiet>${objects}</Delete>`);
      return call('POST', undefined, { query: 'delete', body, headers: crc(body) });
    },
  };
}

type Zenml = ReturnType<typeof zenmlCalls>;

/** Replay M, all of its steps but 7 and the backend's side of 9, which need a backend that tells what it got. */
export async function replayZenml(t: Test, setting: ZenmlSetting): Promise<void> {
  const zenml = zenmlCalls(setting);
  await starts(t, zenml, setting);
  await smallFiles(t, zenml, setting.overwriting);
  await largeFile(t, zenml, setting);
  await readersWhoLeave(t, zenml, setting);
  await appends(t, zenml);
  await copies(t, zenml);
  await trees(t, zenml, setting.keys);
  if (setting.oddBucket !== undefined) await oddBucket(t, setting.client, setting.oddBucket);
}

async function starts(t: Test, { call, list, put }: Zenml, { client }: ZenmlSetting): Promise<void> {
  const versioning = await call('GET', undefined, { query: 'versioning' });
  t.match(versioning, { status: 200, text: /<VersioningConfiguration/ }, 'M1');
  t.notMatch(versioning.text, '<Status>', 'M1 not versioned');
  t.equal((await call('HEAD')).status, 200, 'M2');
  const unknown = await client.ask('HEAD', 'unknown');
  t.equal(unknown.status, 404, 'M2');
  const location = await client.ask('GET', 'unknown', undefined, { query: 'location', path: true });
  t.match(location, { status: 404, code: 'NoSuchBucket' }, 'M2');
  t.equal((await call('HEAD', 'zenml/step/output/none')).status, 404, 'M3');
  const none = await list('prefix=zenml%2Fstep%2Foutput%2Fnone%2F&delimiter=%2F&max-keys=1');
  t.match(none, { status: 200, text: '<KeyCount>0</KeyCount>' }, 'M3');
  const odd = 'zenml/sp ace+plus/é&=~!.txt';
  t.equal((await put(odd, Buffer.from('x'))).status, 200, 'M14');
  const listed = await list('prefix=zenml%2Fsp%20ace&delimiter=');
  t.strictSame(textsOf(listed.text, 'Key').map(formDecode), [odd], 'M14');
  t.equal((await call('GET', odd)).text, 'x', 'M14');
}

async function smallFiles(
  t: Test,
  { call, put, range, list }: Zenml,
  overwriting: ZenmlSetting['overwriting'],
): Promise<void> {
  const key = 'zenml/step/output/0b6c/data.json';
  const data = Buffer.from('{"a":1}');
  t.equal(crc32Of(data), 'Vhusrw==', 'M4');
  const stored = await put(key, data);
  t.match(stored, { status: 200, continued: true, headers: { etag: `"${md5Hex(data)}"` } }, 'M4');
  const wrong = await put('zenml/wrong', data, { 'x-amz-checksum-crc32': crc32Of(Buffer.from('other')) });
  t.match(wrong, { status: 400, code: 'BadDigest' }, 'M4');
  t.equal((await call('HEAD', 'zenml/wrong')).status, 404, 'M4 nothing stored');
  t.equal((await put('zenml/empty', Buffer.alloc(0))).status, 200, 'M5');
  t.match(await call('GET', 'zenml/empty'), { status: 200, headers: { 'content-length': '0' } }, 'M5');
  const six = generatedBytes(6 * MiB, 6);
  await put('zenml/six', six);
  t.ok((await call('GET', 'zenml/six')).body.equals(six), 'M5');
  const etag = String((await call('HEAD', key)).headers.etag);
  const listed = textsOf((await list(`prefix=${encodeURIComponent(key)}`)).text, 'ETag');
  t.strictSame(
    [etag, (await call('GET', key)).headers.etag],
    [listed[0], listed[0]],
    'M8 one ETag in HEAD, list and GET',
  );
  t.match(await range(key, '0-6', etag), { status: 206, text: data.toString() }, 'M8');
  t.match(await range(key, '0-6', '"00000000000000000000000000000000"'), { status: 412 }, 'M8');
  t.match(await range(key, '100-200', etag), { status: 416, code: 'InvalidRange' }, 'M8');
  const guarded = await put(key, generatedBytes(9, 11), { 'if-none-match': '*' });
  t.equal(guarded.code, overwriting, 'M11 open with x');
  t.ok((await call('GET', key)).body.equals(data), 'M11');
}

async function largeFile(
  t: Test,
  { call, create, part, complete }: Zenml,
  { parts: sizes, hasAwsETags }: ZenmlSetting,
): Promise<void> {
  const key = 'zenml/model.bin';
  const bytes = modelOf(sizes);
  const starts = sizes.map((_, index) => sizes.slice(0, index).reduce((sum, size) => sum + size, 0));
  const slices = sizes.map((size, index) => bytes.subarray(starts[index] ?? 0, (starts[index] ?? 0) + size));
  const id = await create(key);
  const etags: (string | undefined)[] = [];
  for (const index of [...sizes.keys()].reverse()) {
    etags[index] = await part(key, id, index + 1, slices[index] ?? Buffer.alloc(0));
  }
  const completed = await complete(key, id, etags);
  t.equal(completed.status, 200, 'M6');
  const etag = String((await call('HEAD', key)).headers.etag);
  t.match(etag, new RegExp(`-${sizes.length}"$`), 'M6');
  if (!hasAwsETags) return;
  const digest = createHash('md5');
  for (const slice of slices) digest.update(createHash('md5').update(slice).digest());
  t.equal(etag, `"${digest.digest('hex')}-${sizes.length}"`, 'M6');
}

/** s3fs asks for the whole of a large object, leaves, and reads it by ranges. */
async function readersWhoLeave(
  t: Test,
  { call, range }: Zenml,
  { client, bucket, parts }: ZenmlSetting,
): Promise<void> {
  const key = 'zenml/model.bin';
  const bytes = modelOf(parts);
  const etag = String((await call('HEAD', key)).headers.etag);
  await readAndLeave(client, bucket, key);
  const third = Math.floor(bytes.length / 3);
  const ranges = [0, 1, 2].map((index) => [index * third, (index + 1) * third - 1] as const);
  const answers = await Promise.all(ranges.map(([from, to]) => range(key, `${from}-${to}`, etag)));
  for (const [index, { status, body }] of answers.entries()) {
    const [from, to] = ranges[index] ?? [0, 0];
    t.ok(status === 206 && body.equals(bytes.subarray(from, to + 1)), `M9 range ${index}`);
  }
}

function modelOf(sizes: readonly number[]): Buffer {
  return generatedBytes(
    sizes.reduce((sum, size) => sum + size, 0),
    7,
  );
}

/** Reads a whole object and leaves after some bytes. */
export async function readAndLeave(client: WireClient, bucket: string, key: string): Promise<void> {
  const incoming = await client.open('GET', bucket, key);
  let read = 0;
  for await (const chunk of incoming) {
    read += (chunk as Buffer).length;
    if (read >= 64 * 1024) break;
  }
  // What is left unread is an error of the connection, as it should be.
  incoming.on('error', () => undefined);
  if (!incoming.closed) await new Promise((resolve) => incoming.once('close', resolve));
}

/** Step logs grow by being written anew, or, once large, by a part copied from themselves. */
async function appends(t: Test, { bucket, call, put, create, part, partCopy, complete }: Zenml): Promise<void> {
  const key = 'zenml/step/logs/6f1d.log';
  let log: Buffer = Buffer.alloc(0);
  for (const line of ['one\n', 'two\n', 'three\n']) {
    for (let head = 0; head < 3; head++) t.equal((await call('HEAD', key)).status, log.length === 0 ? 404 : 200, 'M10');
    const before = log.length === 0 ? Buffer.alloc(0) : (await call('GET', key)).body;
    log = Buffer.concat([before, Buffer.from(line)]);
    await put(key, log);
    t.ok((await call('GET', key)).body.equals(log), 'M10 the new bytes at once');
  }
  log = generatedBytes(7 * MiB, 8);
  await put(key, log);
  const id = await create(key);
  const tail = Buffer.from('the end\n');
  const first = await partCopy(key, id, 1, { 'x-amz-copy-source': `${bucket}/${key}` });
  const second = await part(key, id, 2, tail);
  t.equal((await complete(key, id, [first, second])).status, 200, 'M10 a large log');
  t.ok((await call('GET', key)).body.equals(Buffer.concat([log, tail])), 'M10 a large log');
}

async function copies(t: Test, { bucket, call, create, partCopy, complete, remove }: Zenml): Promise<void> {
  const six = await call('GET', 'zenml/six');
  const from = `${bucket}/zenml/six`;
  t.equal((await call('PUT', 'zenml/copy', { headers: { 'x-amz-copy-source': from } })).status, 200, 'M12');
  t.ok((await call('GET', 'zenml/copy')).body.equals(six.body), 'M12');
  t.equal((await remove(['zenml/copy'])).status, 200, 'M12 a rename removes the source');
  t.equal((await call('HEAD', 'zenml/copy')).status, 404, 'M12');
  const id = await create('zenml/by-parts');
  const etags: (string | undefined)[] = [];
  for (const [index, range] of [`0-${5 * MiB - 1}`, `${5 * MiB}-${6 * MiB - 1}`].entries()) {
    const headers = { 'x-amz-copy-source': from, 'x-amz-copy-source-range': `bytes=${range}` };
    etags.push(await partCopy('zenml/by-parts', id, index + 1, headers));
  }
  t.equal((await complete('zenml/by-parts', id, etags)).status, 200, 'M12 by parts');
  t.ok((await call('GET', 'zenml/by-parts')).body.equals(six.body), 'M12 by parts');
}

async function trees(t: Test, { call, put, list, remove }: Zenml, count: number): Promise<void> {
  const keys = Array.from(
    { length: count },
    (_, index) => `zenml/tree/d${index % 7}/f${String(index).padStart(4, '0')}`,
  );
  await inTurns(keys, 16, async (key) => void (await put(key, Buffer.from(key))));
  // A folder is what lies in it: nothing else is there by its name, and nothing stands for it in a list.
  t.equal((await call('HEAD', 'zenml/tree')).status, 404, 'M3 a folder');
  const exists = await list('prefix=zenml%2Ftree%2F&delimiter=%2F&max-keys=1');
  t.match(exists, { status: 200, text: '<KeyCount>1</KeyCount>' }, 'M3 a folder');
  const { text } = await list('prefix=zenml%2Ftree%2F&delimiter=%2F');
  const folders = textsOf(text.slice(text.indexOf('<CommonPrefixes>')), 'Prefix').map(formDecode);
  const names = Array.from({ length: Math.min(7, count) }, (_, index) => `zenml/tree/d${index}/`);
  t.strictSame([folders, textsOf(text, 'Key')], [names, []], 'M14 what listdir reads');
  const found: string[] = [];
  let pages = 0;
  for (let token = ''; pages < 10; ) {
    const { text } = await list(`prefix=zenml%2Ftree%2F&delimiter=${token}`);
    found.push(...textsOf(text, 'Key').map(formDecode));
    pages++;
    const next = textsOf(text, 'NextContinuationToken')[0];
    if (next === undefined) break;
    token = `&continuation-token=${encodeURIComponent(next)}`;
  }
  t.strictSame(found, [...keys].sort(), 'M14 every key, in order');
  t.equal(pages, Math.ceil(count / 1000), 'M14');
  for (let from = 0; from < count; from += 998) {
    const removed = await remove([...keys.slice(from, from + 998), 'zenml/tree', 'zenml/logs']);
    t.match(removed, { status: 200 }, 'M13');
    t.notMatch(removed.text, /<Error>|<Deleted>/, 'M13 quiet, and what was never there is deleted too');
  }
  t.match((await list('prefix=zenml%2Ftree%2F')).text, '<KeyCount>0</KeyCount>', 'M13');
}

async function oddBucket(t: Test, client: WireClient, bucket: string): Promise<void> {
  t.equal((await client.ask('PUT', bucket, 'a/b', { body: Buffer.from('odd'), path: true })).status, 200, 'M15');
  t.equal((await client.ask('GET', bucket, 'a/b', { path: true })).text, 'odd', 'M15');
  const { text } = await client.ask('GET', bucket, undefined, { query: 'list-type=2', path: true });
  t.strictSame(textsOf(text, 'Name'), [bucket], 'M15');
}

/** As `encoding-type=url` writes it. */
function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
