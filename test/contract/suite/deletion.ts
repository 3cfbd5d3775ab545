import type { Test } from 'tap';
import { childText, escapeXml } from '../../../src/s3/xml.ts';
import { type Call, childrenOf, document, md5 } from './client.ts';
import type { Traits } from './traits.ts';

const bucket = 'deletion';
const DIGEST = { 'content-md5': 'checked before' };

export async function deletionContract(t: Test, call: Call, { deletion, longestKey }: Traits): Promise<void> {
  await call({ method: 'PUT', bucket });
  const put = (key: string) => call({ method: 'PUT', bucket, key, body: 'x' });
  const status = async (key: string) => (await call({ method: 'HEAD', bucket, key })).status;
  const remove = (body: string, headers: Record<string, string> = DIGEST) =>
    call({ method: 'POST', bucket, query: 'delete', headers, body });
  const objects = (keys: readonly string[], quiet = false) =>
    `<Delete>${quiet ? '<Quiet>true</Quiet>' : ''}${keys.map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`).join('')}</Delete>`;

  await t.test('R7 keys that are not there count as deleted; Quiet tells of errors only', async (t) => {
    await put('one');
    const answer = document(await remove(objects(['one', 'never'])));
    t.same(
      childrenOf(answer, 'Deleted').map((entry) => childText(entry, 'Key')),
      ['one', 'never'],
    );
    t.equal(await status('one'), 404);
    await put('one');
    t.same(document(await remove(objects(['one'], true))).children, []);
    t.equal(await status('one'), 404);
  });

  await t.test('X06 X07 keys are taken as written', async (t) => {
    const keys = [' a ', 'a', '007', '7', 'true', '1e3', 'a\rb', 'x<&>y', '__proto__'];
    for (const key of keys) await put(key);
    await remove(objects([' a ', '007', 'a\rb', 'x<&>y']));
    const left = await Promise.all(keys.map(status));
    t.same(left, [404, 200, 404, 200, 200, 200, 404, 404, 200]);
  });

  await t.test('each key fails by itself', async (t) => {
    await put('safe');
    await put('gone');
    const body =
      '<Delete><Object><Key>safe</Key><VersionId>9</VersionId></Object><Object><Key>gone</Key></Object>' +
      `<Object><Key>${'k'.repeat(longestKey + 1)}</Key></Object><Object><Key>safe</Key><ETag>"0"</ETag></Object></Delete>`;
    const answer = document(await remove(body));
    const codes = childrenOf(answer, 'Error').map((entry) => childText(entry, 'Code'));
    t.same([...codes].sort(), ['KeyTooLongError', 'NoSuchVersion', 'PreconditionFailed']);
    t.same([await status('safe'), await status('gone')], [200, 404]);
    const etag = md5(Buffer.from('x'));
    await remove(`<Delete><Object><Key>safe</Key><ETag>${etag}</ETag></Object></Delete>`);
    t.equal(await status('safe'), 404);
  });

  await t.test('X01 X04 X05 X09 a document that is not exactly one deletes nothing', async (t) => {
    await put('kept');
    const bad = [
      '<Delete><Object><Key>kept</Key></Object>',
      '<Delete><Object><Key>kept</Kex></Object></Delete>',
      '<!DOCTYPE Delete><Delete><Object><Key>kept</Key></Object></Delete>',
      '<Delete><Object><Key>kept</Key><Key>b</Key></Object></Delete>',
      '<Delete><Quiet>true</Quiet><Quiet>false</Quiet><Object><Key>kept</Key></Object></Delete>',
      '<Delete><Quiet>perhaps</Quiet><Object><Key>kept</Key></Object></Delete>',
      '<Delete><Object><Key>kept</Key></Object><Object><Key></Key></Object></Delete>',
      '<Delete><Object><Key>kept<!-- x --></Key></Object></Delete>',
      '<Other><Object><Key>kept</Key></Object></Other>',
      '<Delete></Delete>',
      objects(['kept', ...Array.from({ length: deletion.keys }, (_, n) => `k${n}`)]),
    ];
    for (const body of bad) t.equal((await remove(body)).code, 'MalformedXML', body.slice(0, 60));
    const long = objects(['kept']).padEnd(deletion.bytes + 1, ' ');
    t.equal((await remove(long)).code, 'MaxMessageLengthExceeded');
    t.match((await remove('')).code, /^(MissingRequestBodyError|MalformedXML)$/);
    if (deletion.wantsDigest) {
      t.equal((await remove(objects(['kept']), {})).code, 'InvalidRequest', 'without a digest');
    }
    t.equal(await status('kept'), 200);
    const keys = Array.from({ length: 999 }, (_, n) => `k${n}`);
    t.equal((await remove(objects(['kept', ...keys]))).status, 200, 'a thousand is allowed');
    t.equal(await status('kept'), 404);
  });
}
