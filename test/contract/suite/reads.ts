import type { Test } from 'tap';
import { generatedBytes } from '../../support/generated.ts';
import type { Call } from './client.ts';

const bucket = 'reads';
const key = 'k';

export async function readContract(t: Test, call: Call): Promise<void> {
  await call({ method: 'PUT', bucket });
  const body = generatedBytes(20_000, 9);
  const size = body.byteLength;
  const written = await call({ method: 'PUT', bucket, key, body });
  const etag = written.headers.get('etag') ?? '';
  const read = (headers: Record<string, string>, query = '', method = 'GET') =>
    call({ method, bucket, key, headers, query });

  await t.test('ranges: from the start, from the end, beyond it, and none', async (t) => {
    const satisfied: [string, number, number][] = [
      ['bytes=0-0', 0, 1],
      ['bytes=0-9', 0, 10],
      ['bytes=5-', 5, size],
      ['bytes=-7', size - 7, size],
      [`bytes=-${size + 5}`, 0, size],
      [`bytes=10-${size + 100}`, 10, size],
      [`bytes=${size - 1}-`, size - 1, size],
    ];
    for (const [range, start, end] of satisfied) {
      const answer = await read({ range });
      t.equal(answer.status, 206, range);
      t.ok(answer.bytes.equals(body.subarray(start, end)));
      t.equal(answer.headers.get('content-range'), `bytes ${start}-${end - 1}/${size}`);
      t.equal(answer.headers.get('content-length'), String(end - start));
      t.equal((await read({ range }, '', 'HEAD')).status, 206, `HEAD ${range}`);
    }
    for (const range of [`bytes=${size}-`, 'bytes=-0', `bytes=${size + 1}-${size + 2}`]) {
      const answer = await read({ range });
      t.same([answer.status, answer.code], [416, 'InvalidRange'], range);
    }
    t.equal((await read({ range: `bytes=${size}-` })).headers.get('content-range'), `bytes */${size}`);
    for (const range of ['bytes=9-5', 'bytes=', 'items=0-1', 'bytes=0-1,3-4', 'bytes=a-b']) {
      t.equal((await read({ range })).status, 200, `${range} is no range`);
    }
  });

  await t.test('an empty object has no range to give', async (t) => {
    await call({ method: 'PUT', bucket, key: 'empty' });
    const answer = await call({ method: 'GET', bucket, key: 'empty', headers: { range: 'bytes=0-0' } });
    t.equal(answer.code, 'InvalidRange');
    t.equal((await call({ method: 'GET', bucket, key: 'empty' })).status, 200);
  });

  await t.test('conditions on reads follow RFC 9110', async (t) => {
    const past = 'Mon, 01 Jan 2001 00:00:00 GMT';
    const future = 'Fri, 01 Jan 2100 00:00:00 GMT';
    const other = '"00000000000000000000000000000000"';
    const cases: [Record<string, string>, number][] = [
      [{ 'if-match': etag }, 200],
      [{ 'if-match': etag.replaceAll('"', '') }, 200],
      [{ 'if-match': '*' }, 200],
      [{ 'if-match': `${other}, ${etag}` }, 200],
      [{ 'if-match': other }, 412],
      [{ 'if-none-match': etag }, 304],
      [{ 'if-none-match': '*' }, 304],
      [{ 'if-none-match': other }, 200],
      [{ 'if-modified-since': past }, 200],
      [{ 'if-modified-since': future }, 304],
      [{ 'if-unmodified-since': past }, 412],
      [{ 'if-unmodified-since': future }, 200],
      [{ 'if-match': etag, 'if-unmodified-since': past }, 200],
      [{ 'if-none-match': other, 'if-modified-since': future }, 200],
      [{ 'if-modified-since': 'not a date' }, 200],
      [{ 'if-match': other, range: 'bytes=0-1' }, 412],
      [{ 'if-match': etag, range: 'bytes=0-1' }, 206],
    ];
    for (const [headers, status] of cases) {
      t.equal((await read(headers)).status, status, JSON.stringify(headers));
      t.equal((await read(headers, '', 'HEAD')).status, status, `HEAD ${JSON.stringify(headers)}`);
    }
    const unchanged = await read({ 'if-none-match': etag });
    t.equal(unchanged.headers.get('etag'), etag, 'a 304 names the ETag');
    t.ok(unchanged.headers.has('last-modified'));
  });

  await t.test('response-* overrides headers, and cannot break out of them (E11)', async (t) => {
    const query =
      'response-content-type=text%2Fx&response-content-disposition=inline&response-cache-control=no-store' +
      '&response-expires=never&response-content-language=xx&response-content-encoding=br';
    const { headers } = await read({}, query);
    t.match(Object.fromEntries(headers), {
      'content-type': 'text/x',
      'content-disposition': 'inline',
      'cache-control': 'no-store',
      expires: 'never',
      'content-language': 'xx',
      'content-encoding': 'br',
    });
    t.equal((await read({}, 'response-content-type=a%0D%0Ax-evil:1')).code, 'InvalidArgument');
    const accented = (await read({}, 'response-content-disposition=%C3%A9')).headers.get('content-disposition');
    t.equal(accented, 'Ã©', 'UTF-8 bytes, one character each');
  });

  await t.test('an object written in one piece is its own part 1', async (t) => {
    const whole = await read({}, 'partNumber=1');
    t.equal(whole.status, 206);
    t.ok(whole.bytes.equals(body));
    t.notOk(whole.headers.has('x-amz-mp-parts-count'));
    t.same(
      [(await read({}, 'partNumber=2')).status, (await read({}, 'partNumber=2')).code],
      [416, 'InvalidPartNumber'],
    );
    for (const bad of ['0', '10001', 'x', '-1', '1.5']) {
      t.equal((await read({}, `partNumber=${bad}`)).code, 'InvalidArgument', bad);
    }
    t.equal((await read({ range: 'bytes=0-1' }, 'partNumber=1')).code, 'InvalidRequest');
  });

  await t.test('a checksum is shown to those who ask, with whole objects', async (t) => {
    const checksum = { algorithm: 'CRC32', value: 'NhCmhg==' } as const;
    const put = await call({ method: 'PUT', bucket, key: 'sum', body: 'hello', checksum });
    t.equal(put.headers.get('x-amz-checksum-crc32'), 'NhCmhg==');
    t.equal(put.headers.get('x-amz-checksum-type'), 'FULL_OBJECT');
    const mode = { 'x-amz-checksum-mode': 'ENABLED' };
    const shown = await call({ method: 'GET', bucket, key: 'sum', headers: mode });
    t.equal(shown.headers.get('x-amz-checksum-crc32'), 'NhCmhg==');
    t.notOk((await call({ method: 'GET', bucket, key: 'sum' })).headers.has('x-amz-checksum-crc32'));
    const part = await call({ method: 'GET', bucket, key: 'sum', headers: { ...mode, range: 'bytes=0-1' } });
    t.notOk(part.headers.has('x-amz-checksum-crc32'), 'it is not of these bytes');
  });
}
