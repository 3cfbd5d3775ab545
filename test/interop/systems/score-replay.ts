import type { Test } from 'tap';
import { generatedBytes } from '../../support/generated.ts';
import { type Asking, md5Hex, textsOf, type WireAnswer, type WireClient } from '../../support/wire-client.ts';

export interface ScoreSetting {
  /** Signs as the server does. */
  readonly client: WireClient;
  readonly signing: 'v4' | 'v2';
  /** The object bucket without its pool, where what is older than the pool lies. */
  readonly objects: string;
  /** The object bucket that an id belongs to. */
  readonly bucketOf: (id: string) => string;
  /** The state bucket of an id, with meta and the state of uploads; often the same. */
  readonly stateOf: (id: string) => string;
  /** Whether the storage can tell a second Complete what the first one came to; else that there is no such upload. */
  readonly completesAgain: boolean;
  /** The host in URLs as signed, and the one that clients are sent to. */
  readonly signedHost: string;
  readonly publicHost: string;
  /** Bytes of the parts of an object. */
  readonly parts: readonly number[];
  readonly id: string;
}

/** What the server and the client of Score send. */
export function scoreCalls({ client, signing, signedHost, publicHost }: ScoreSetting) {
  const java = {
    'content-type': 'application/octet-stream',
    'user-agent': 'aws-sdk-java/1.11.219 Linux/5.10 OpenJDK_64-Bit_Server_VM/11.0',
    'amz-sdk-invocation-id': '1b8a2f7e-0000-4000-8000-000000000000',
  };
  const call = (method: string, bucket: string, key?: string, asking: Asking = {}): Promise<WireAnswer> => {
    const headers = { ...java, ...asking.headers };
    return client.ask(method, bucket, key, { signs: Object.keys(java), ...asking, headers });
  };
  /** A URL made by the server, with the host swapped, used by the client. */
  const visit = (
    method: string,
    target: string,
    { body, headers = {} }: Pick<Asking, 'body' | 'headers'> = {},
  ): Promise<WireAnswer> => {
    const length = body === undefined ? {} : { 'content-length': String(body.length) };
    return client.send({ method, target, headers: { host: publicHost, ...length, ...headers }, ...(body && { body }) });
  };
  const presign = (
    method: string,
    bucket: string,
    key: string,
    more: { query?: string; range?: string; expires?: number } = {},
  ) => {
    const { range, ...options } = more;
    const headers = range === undefined || signing === 'v2' ? {} : { range };
    return client.presign(method, bucket, key, { ...options, headers, host: signedHost, signing });
  };
  const complete = (bucket: string, key: string, id: string, etags: readonly string[]) => {
    const parts = etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`);
    return call('POST', bucket, key, { query: `uploadId=${id}`, body });
  };
  return {
    call,
    visit,
    presign,
    complete,
    /** PutObject of the Java SDK: signed chunks where it signs V4. */
    put: (bucket: string, key: string, body: Buffer, asking: Asking = {}) =>
      call('PUT', bucket, key, { body, expects: true, signing: signing === 'v4' ? 'v4-chunks' : 'v2', ...asking }),
    list: (bucket: string, prefix: string, delimiter = '') =>
      call('GET', bucket, undefined, {
        query: `${delimiter}encoding-type=url&max-keys=5000&prefix=${encodeURIComponent(prefix)}`,
      }),
  };
}

type Score = ReturnType<typeof scoreCalls>;

/** Replay S, but 12 and the token, which need a backend that fails or tells what it got. */
export async function replayScore(t: Test, setting: ScoreSetting): Promise<void> {
  const score = scoreCalls(setting);
  await health(t, score, setting);
  const upload = await initiate(t, score, setting);
  await parts(t, score, setting, upload);
  await finalise(t, score, setting, upload);
  await download(t, score, setting);
  await cleanUp(t, score, setting);
  await foreign(t, score, setting);
}

interface Upload {
  readonly id: string;
  readonly bucket: string;
  readonly states: string;
  readonly state: string;
  readonly slices: readonly Buffer[];
  readonly marks: string[];
}

async function health(t: Test, { call, put, presign, visit }: Score, { objects: state }: ScoreSetting): Promise<void> {
  t.match(await call('GET', state, undefined, { query: 'acl' }), { status: 200, text: /<AccessControlPolicy/ }, 'S1');
  t.equal((await put(state, 'data/heliograph', Buffer.from('sentinel'))).status, 200);
  const started = performance.now();
  const sentinel = await visit('GET', presign('GET', state, 'data/heliograph', { expires: 300 }));
  t.match(sentinel, { status: 200, text: 'sentinel' }, 'S1');
  t.ok(performance.now() - started < 5000, 'S1 within its five seconds');
}

async function initiate(
  t: Test,
  score: Score,
  { id, bucketOf, stateOf, parts, signing }: ScoreSetting,
): Promise<Upload> {
  const { call, put, list } = score;
  const [bucket, states] = [bucketOf(id), stateOf(id)];
  const key = `data/${id}`;
  const running = await list(states, `upload/${id}_`, 'delimiter=%2F&');
  t.equal(running.status, 200, 'S2');
  t.ok(Number(textsOf(running.text, 'MaxKeys')[0]) <= 1000, 'S2 clamped');
  t.notMatch(running.text, /<CommonPrefixes>|<Contents>/, 'S2');
  t.equal((await call('HEAD', states, `${key}.meta`)).status, 404, 'S3');
  const [uploadId = ''] = textsOf((await call('POST', bucket, key, { query: 'uploads' })).text, 'UploadId');
  t.match(uploadId, /^[^/|]+$/, 'S3 fits into a key');
  const state = `upload/${id}_${uploadId}`;
  const meta = Buffer.from(JSON.stringify({ objectKey: key, objectId: id, uploadId }).padEnd(700));
  if (signing === 'v4') {
    const tampered = await put(states, `${state}/.meta`, meta, { tamper: flipLast });
    t.equal(tampered.status, 403, 'S4 a chunk that was changed');
    t.equal((await call('HEAD', states, `${state}/.meta`)).status, 404, 'S4 nothing is stored');
  }
  const stored = await put(states, `${state}/.meta`, meta);
  t.match(stored, { status: 200, headers: { etag: `"${md5Hex(meta)}"` } }, 'S4');
  const found = await list(states, `upload/${id}_`, 'delimiter=%2F&');
  const [prefix = ''] = textsOf(found.text.slice(found.text.indexOf('<CommonPrefixes>')), 'Prefix');
  t.equal(formDecode(prefix), `${state}/`, 'S2 the id comes back out of a common prefix');
  const read = await call('GET', states, `${state}/.meta`);
  t.ok(read.body.equals(meta), 'S4');
  return {
    id: uploadId,
    bucket,
    states,
    state,
    marks: [],
    slices: parts.map((size, index) => generatedBytes(size, 20 + index)),
  };
}

/** Changes one byte of the payload and leaves the framing alone. */
function flipLast(body: Buffer): Buffer {
  const changed = Buffer.from(body);
  const at = changed.lastIndexOf('0;chunk-signature=') - 4;
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

async function parts(t: Test, score: Score, setting: ScoreSetting, upload: Upload): Promise<void> {
  const { call, put, presign, visit, list } = score;
  const { bucket, states, slices, state, marks } = upload;
  const key = `data/${setting.id}`;
  const query = (number: number) => `partNumber=${number}&uploadId=${upload.id}`;
  const expired = presign('PUT', bucket, key, { query: query(1), expires: -1 });
  t.equal((await visit('PUT', expired, { body: Buffer.from('x') })).status, 403, 'S5 expired');
  const url = presign('PUT', bucket, key, { query: query(1) });
  t.equal((await visit('DELETE', url)).status, 403, 'S5 another method');
  const etags = await Promise.all(
    slices.map(async (body, index) => {
      const answer = await visit('PUT', presign('PUT', bucket, key, { query: query(index + 1) }), { body });
      t.equal(answer.status, 200, `S5 part ${index + 1}`);
      return String(answer.headers.etag).replaceAll('"', '');
    }),
  );
  t.strictSame(etags, slices.map(md5Hex), 'S5 the ETags are the MD5s, in lower case');
  for (const [index, md5] of etags.entries()) {
    const listed = await call('GET', bucket, key, {
      query: `uploadId=${upload.id}&max-parts=1&part-number-marker=${index}`,
    });
    t.strictSame(textsOf(listed.text, 'PartNumber'), [String(index + 1)], 'S6 one part');
    t.strictSame(textsOf(listed.text, 'ETag').map(unquoted), [md5], 'S6 with the same ETag');
    const number = (index + 1).toString(16).padStart(8, '0');
    const mark = `${state}/part-${number}|${JSON.stringify({ partNumber: index + 1, md5, etag: md5 })}`;
    marks.push(mark);
    t.equal((await put(states, mark, Buffer.alloc(0))).status, 200, 'S6 the mark');
  }
  const listed = await list(states, `${state}/part`);
  t.strictSame(textsOf(listed.text, 'Key').map(formDecode), marks, 'S7');
}

async function finalise(t: Test, score: Score, setting: ScoreSetting, upload: Upload): Promise<void> {
  const { call, complete, list, put } = score;
  const { bucket, states, state, slices, marks } = upload;
  const key = `data/${setting.id}`;
  const etags = slices.map(md5Hex);
  const completed = await complete(bucket, key, upload.id, etags);
  t.match(completed, { status: 200, text: /<CompleteMultipartUploadResult/ }, 'S8');
  const again = await complete(bucket, key, upload.id, etags);
  // Score takes both for finished.
  const { etag } = (await call('HEAD', bucket, key)).headers;
  if (setting.completesAgain) {
    t.equal(again.status, 200, 'S8 again');
    t.equal(textsOf(again.text, 'ETag').map(unquoted)[0], unquoted(String(etag)), 'S8 again');
  } else t.match(again, { status: 404, code: 'NoSuchUpload' }, 'S8 again');
  t.equal((await put(states, `${key}.meta`, Buffer.from('{}'))).status, 200, 'S9');
  for (const name of [`${state}/.meta`, ...marks]) {
    t.equal((await list(states, name.replace(/(\|).*$/, '$1'))).status, 200, 'S9');
    t.equal((await call('HEAD', states, name)).status, 200, 'S9');
    t.equal((await call('DELETE', states, name)).status, 204, 'S9');
    t.equal((await call('HEAD', states, name)).status, 404, 'S9');
  }
}

async function download(t: Test, { call, presign, visit }: Score, setting: ScoreSetting): Promise<void> {
  const { id, bucketOf, stateOf, parts, signing, client, publicHost } = setting;
  const [bucket, key] = [bucketOf(id), `data/${id}`];
  t.equal((await call('GET', stateOf(id), `${key}.meta`)).text, '{}', 'S10');
  const [start, size] = [parts[0] ?? 0, parts[1] ?? 0];
  const range = `bytes=${start}-${start + size - 1}`;
  const url = presign('GET', bucket, key, { range });
  const token = { 'x-score-token': 'token-of-the-user' };
  const read = await visit('GET', url, { headers: { range, ...token } });
  t.equal(read.status, 206, 'S10');
  t.equal(md5Hex(read.body), md5Hex(generatedBytes(size, 21)), 'S10 the MD5 of the part');
  if (signing === 'v4')
    t.equal((await visit('GET', url, { headers: { range: 'bytes=0-9', ...token } })).status, 403, 'S10 another range');
  const whole = presign('GET', bucket, key);
  await visitAndLeave(client, whole, publicHost);
  const object = Buffer.concat(parts.map((length, index) => generatedBytes(length, 20 + index)));
  const rest = await visit('GET', whole, { headers: { range: `bytes=1000-${object.length - 1}` } });
  t.equal(rest.status, 206, 'S10 on with a range after the whole was asked for');
  t.equal(rest.headers['content-range'], `bytes 1000-${object.length - 1}/${object.length}`, 'S10');
  t.equal(md5Hex(rest.body), md5Hex(object.subarray(1000)), 'S10');
}

/** Asks for all of an object by its URL and goes away after the first bytes. */
async function visitAndLeave(client: WireClient, target: string, host: string): Promise<void> {
  const incoming = await client.openAt({ method: 'GET', target, headers: { host } });
  for await (const _ of incoming) break;
  // What is left unread is an error of the connection, as it should be.
  incoming.on('error', () => undefined);
  if (!incoming.closed) await new Promise((resolve) => incoming.once('close', resolve));
}

async function cleanUp(
  t: Test,
  { call, complete }: Score,
  { objects: state, bucketOf, id }: ScoreSetting,
): Promise<void> {
  const bucket = bucketOf(id);
  const key = `data/${id}`;
  const [uploadId = ''] = textsOf((await call('POST', bucket, key, { query: 'uploads' })).text, 'UploadId');
  const listed = await call('GET', bucket, undefined, { query: 'uploads' });
  t.ok(textsOf(listed.text, 'UploadId').includes(uploadId), 'S11');
  t.ok(textsOf(listed.text, 'Key').includes(key), 'S11');
  for (const initiated of textsOf(listed.text, 'Initiated')) {
    t.ok(Math.abs(Date.now() - Date.parse(initiated)) < 600_000, 'S11 Initiated');
  }
  t.equal((await call('DELETE', bucket, key, { query: `uploadId=${uploadId}` })).status, 204, 'S11');
  t.equal((await call('GET', bucket, key, { query: `uploadId=${uploadId}` })).status, 404, 'S11');
  const late = await complete(bucket, key, uploadId, [md5Hex(Buffer.alloc(0))]);
  t.match(late, { status: 404, code: 'NoSuchUpload' }, 'S11');
  t.equal((await call('HEAD', state)).status, 200);
}

/** Objects that were there before Score: found in the base bucket, with their MD5 in metadata. */
async function foreign(t: Test, { call, put, presign, visit }: Score, { objects: state }: ScoreSetting): Promise<void> {
  const id = '0aaaaaaa-38b4-574c-bffb-af1426113194';
  const headers = { 'x-amz-meta-md5chksum': 'CY9rzUYh03PK3k6DJie09g==' };
  t.equal((await put(state, `data/${id}`, Buffer.from('test'), { headers })).status, 200);
  t.match(await call('HEAD', state, `data/${id}`), { status: 200, headers }, 'S14');
  const external = presign('GET', state, `data/${id}`);
  t.equal((await visit('GET', external)).text, 'test', 'S14');
  t.match(await visit('HEAD', external), { status: 403 }, 'S10 HEAD on a URL made for GET is refused, as S3 does');
}

function unquoted(text: string): string {
  return text.replaceAll('"', '');
}

function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
