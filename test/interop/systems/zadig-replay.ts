import type { Test } from 'tap';
import { generatedBytes } from '../../support/generated.ts';
import {
  type Asking,
  md5Base64,
  md5Hex,
  textsOf,
  type WireAnswer,
  type WireClient,
} from '../../support/wire-client.ts';

const MiB = 2 ** 20;
const CACHE_KEY = 'wf-demo/cache/svc/mod/zadig-build-cache.tar.gz';

export interface ZadigSetting {
  readonly client: WireClient;
  readonly bucket: string;
  /** Bytes of the large workspace. */
  readonly workspace: number;
  /** Objects that one retention run removes. */
  readonly retained: number;
}

/** What aws-sdk-go V1 sends as Zadig uses it: the body's hash and Content-MD5, `Expect` from 2 MiB, gzip accepted. */
export function zadigCalls({ client, bucket }: Pick<ZadigSetting, 'client' | 'bucket'>) {
  const signed = (headers: Readonly<Record<string, string>>, body: Buffer): string[] =>
    ['content-md5', 'content-type']
      .filter((name) => headers[name] !== undefined)
      .concat(body.length > 0 ? 'content-length' : []);
  const call = (
    method: string,
    key: string | undefined,
    { headers = {}, ...asking }: Asking = {},
  ): Promise<WireAnswer> => {
    const all = { 'accept-encoding': 'gzip', 'user-agent': 'aws-sdk-go/1.55.8 (go1.24; linux; amd64)', ...headers };
    return client.ask(method, bucket, key, {
      ...asking,
      headers: all,
      signs: signed(all, asking.body ?? Buffer.alloc(0)),
    });
  };
  return {
    call,
    put: (key: string, body: Buffer, type?: string) =>
      call('PUT', key, {
        body,
        expects: body.length >= 2 * MiB,
        headers: { 'content-md5': md5Base64(body), ...(type !== undefined && { 'content-type': type }) },
      }),
    get: (key: string) => call('GET', key),
    /** One page, as Zadig reads no second. */
    list: (query: string) => call('GET', undefined, { query }),
    copy: (source: string, key: string) =>
      call('PUT', key, { headers: { 'x-amz-copy-source': `${bucket}/${source}` } }),
    remove: (keys: readonly string[]) => {
      const objects = keys.map((key) => `<Object><Key>${key.replaceAll('&', '&amp;')}</Key></Object>`);
      const body = Buffer.from(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${objects.join('')}</Delete>`);
      return call('POST', undefined, { query: 'delete=', body, headers: { 'content-md5': md5Base64(body) } });
    },
  };
}

/** Replay Z, steps 1 to 10; 11 and 12 are played where a vendor can be taken away. */
export async function replayZadig(t: Test, setting: ZadigSetting): Promise<void> {
  const zadig = zadigCalls(setting);
  await validateAndMiss(t, zadig);
  await workspaces(t, zadig, setting.workspace);
  await logsAndNames(t, zadig);
  await retention(t, zadig, setting.retained);
  await charts(t, zadig);
}

type Zadig = ReturnType<typeof zadigCalls>;

async function validateAndMiss(t: Test, zadig: Zadig): Promise<void> {
  const test = Buffer.from('test');
  t.equal(md5Base64(test), 'CY9rzUYh03PK3k6DJie09g==');
  const validated = await zadig.put('team-a/.zadig-validate-test', test);
  t.match(validated, { status: 200, headers: { etag: `"${md5Hex(test)}"` } }, 'Z1');
  await zadig.call('DELETE', CACHE_KEY);
  const missed = await zadig.get(CACHE_KEY);
  t.match(missed, { status: 404, code: 'NoSuchKey', headers: { 'content-type': 'application/xml' } }, 'Z2');
}

async function workspaces(t: Test, zadig: Zadig, large: number): Promise<void> {
  for (const [seed, size] of [
    [1, 3 * MiB],
    [2, large],
    [3, 3 * MiB + 1],
  ] as const) {
    const body = generatedBytes(size, seed);
    const stored = await zadig.put(CACHE_KEY, body, 'application/gzip');
    t.match(stored, { status: 200, continued: true }, `Z3 ${size} bytes`);
    // Eight pods start at once; the large one is read by two, to spare the machine.
    const pods = Array.from({ length: size === large ? 2 : 8 }, () => zadig.get(CACHE_KEY));
    for (const { status, headers, body: read } of await Promise.all(pods)) {
      t.match({ status, headers }, { status: 200, headers: { 'content-length': String(size) } }, 'Z4');
      t.equal(headers['content-encoding'], undefined, 'Z4 not compressed');
      t.ok(read.equals(body), 'Z4 the bytes of the last writer');
    }
  }
}

async function logsAndNames(t: Test, zadig: Zadig): Promise<void> {
  const log = generatedBytes(1000, 4);
  const logKey = 'team-a/wf-demo/12/log/build-job-1.log';
  t.equal((await zadig.put(logKey, log)).status, 200, 'Z5');
  t.equal((await zadig.put('team-a/wf-demo/12/log/empty.log', Buffer.alloc(0))).status, 200, 'Z5 an empty log');
  t.ok((await zadig.get(logKey)).body.equals(log), 'Z5');
  const empty = await zadig.get('team-a/wf-demo/12/log/empty.log');
  t.match(empty, { status: 200, headers: { 'content-length': '0' } }, 'Z5 an empty log');
  const odd = 'team-a/wf-demo/12/jobé/junit/测试 a+b&c=d.html';
  t.equal((await zadig.put(odd, log, 'text/html; charset=utf-8')).status, 200, 'Z6');
  const listed = await zadig.list('prefix=team-a%2Fwf-demo%2F12%2Fjob');
  t.strictSame(textsOf(listed.text, 'Key'), [odd], 'Z6');
  t.equal((await zadig.get(odd)).headers['content-type'], 'text/html; charset=utf-8', 'Z6');
  const none = await zadig.list('prefix=wf-demo%2F12%2Fartifact');
  t.match(none, { status: 200 }, 'Z7');
  t.strictSame(textsOf(none.text, 'Key'), [], 'Z7');
  const root = await zadig.list('delimiter=%2F&prefix=');
  t.ok(textsOf(root.text, 'Prefix').includes('team-a/'), 'Z7');
}

async function retention(t: Test, zadig: Zadig, count: number): Promise<void> {
  const keys = Array.from({ length: count }, (_, index) => `wf-demo/12/f${String(index).padStart(4, '0')}`);
  await inTurns(keys, 16, async (key) => void t.equal((await zadig.put(key, Buffer.from(key))).status, 200, key));
  await zadig.put('wf-demo/120/other', Buffer.from('x'));
  const page = await zadig.list('delimiter=&prefix=wf-demo%2F12%2F');
  t.strictSame(textsOf(page.text, 'Key'), keys.slice(0, 1000), 'Z8 the first page, sorted, of this task alone');
  t.match(page.text, `<IsTruncated>${count > 1000}</IsTruncated>`, 'Z8');
  const few = await zadig.remove([keys[0] ?? '', keys[1] ?? '', 'wf-demo/12/never']);
  t.equal(few.status, 200, 'Z9');
  t.equal(textsOf(few.text, 'Key').length, 3, 'Z9 what was not there counts as deleted');
  const many = await zadig.remove([...keys, ...Array.from({ length: 1500 - count }, (_, index) => `gone/${index}`)]);
  t.equal(many.status, 200, 'Z9 1,500 keys');
  t.equal(textsOf(many.text, 'Key').length, 1500, 'Z9 1,500 keys');
  t.notMatch(many.text, '<Error>', 'Z9');
  t.strictSame(textsOf((await zadig.list('prefix=wf-demo%2F12%2F')).text, 'Key'), [], 'Z9 all gone');
  t.equal((await zadig.get('wf-demo/120/other')).status, 200, 'Z9 and nothing else');
}

async function charts(t: Test, zadig: Zadig): Promise<void> {
  const chart = generatedBytes(4000, 5);
  for (const service of ['svc', 'svc é+1']) {
    const source = `proj/service/${service}/svc.tar.gz`;
    await zadig.put(source, chart, 'application/x-tar');
    // Unescaped, as bytes of UTF-8 in the header.
    const copied = await zadig.copy(Buffer.from(source).toString('latin1'), `proj/service/${service}/svc-7.tar.gz`);
    t.match(copied, { status: 200, text: /<CopyObjectResult/ }, 'Z10');
    t.match(copied.text, md5Hex(chart), 'Z10');
    t.ok((await zadig.get(`proj/service/${service}/svc-7.tar.gz`)).body.equals(chart), 'Z10');
  }
}

/** At most so many at a time. */
export async function inTurns<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of left) await work(item);
    }),
  );
}
