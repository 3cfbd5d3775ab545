import t from 'tap';
import { retry } from '../../../src/layers/retry.ts';
import { S3Error } from '../../../src/s3/error.ts';
import { AnswerFailure, TransportFailure } from '../../../src/s3/failure.ts';
import type { S3Response } from '../../../src/s3/message.ts';
import { generatedStream } from '../../support/generated.ts';
import { type RequestParts, s3Request } from '../../support/s3-request.ts';

const fine: S3Response = { status: 200, headers: new Map(), body: null };
const transport =
  (phase: 'connect' | 'exchange', code = 'X') =>
  () =>
    new S3Error('ServiceUnavailable', { cause: new TransportFailure(phase, code, new Error('x')) });
const answered =
  (status: number, retryAfter = '') =>
  () =>
    new S3Error(status >= 500 ? 'ServiceUnavailable' : 'AccessDenied', {
      cause: new AnswerFailure({ status, code: undefined, date: undefined, retryAfter }),
    });

/** How often a request is tried when it never succeeds, and the waits between. */
async function tries(parts: Partial<RequestParts>, failure: () => Error, retries = 3) {
  const waits: number[] = [];
  let count = 0;
  const layer = retry({ retries, random: () => 1, sleep: async (milliseconds) => void waits.push(milliseconds) });
  const handler = layer(async () => {
    count++;
    throw failure();
  });
  const error = await handler(s3Request({ method: 'GET', bucket: 'b', ...parts })).catch((thrown: unknown) => thrown);
  return { count, waits, error };
}

const stream = (bodyLength: number) => ({
  method: 'PUT',
  key: 'k',
  body: generatedStream(bodyLength, 1),
  bodyLength,
});
const LARGE = 64 * 1024 + 1;

const CASES: readonly (readonly [string, Partial<RequestParts>, () => Error, number])[] = [
  ['a read, nothing sent', { key: 'k' }, transport('connect'), 4],
  ['a read, answer lost', { key: 'k' }, transport('exchange'), 4],
  ['a read, the idle timeout spent in silence', { key: 'k' }, transport('exchange', 'UND_ERR_HEADERS_TIMEOUT'), 1],
  ['a read, 503', { key: 'k' }, answered(503), 4],
  ['a read, 403', { key: 'k' }, answered(403), 1],
  ['a read, redirect', { key: 'k' }, () => new S3Error('ServiceUnavailable', { cause: answered(301)().cause }), 1],
  ['a list, answer lost', { query: 'list-type=2' }, transport('exchange'), 4],
  ['a PUT from memory, answer lost', { method: 'PUT', key: 'k', body: 'x' }, transport('exchange'), 4],
  [
    'a PUT with a condition, answer lost',
    { method: 'PUT', key: 'k', body: 'x', headers: { 'if-none-match': '*' } },
    transport('exchange'),
    1,
  ],
  [
    'a PUT with a condition, nothing sent',
    { method: 'PUT', key: 'k', body: 'x', headers: { 'if-none-match': '*' } },
    transport('connect'),
    4,
  ],
  ['a stream, nothing sent', stream(LARGE), transport('connect'), 1],
  ['a stream, answer lost', stream(LARGE), transport('exchange'), 1],
  ['a small stream, answer lost', stream(LARGE - 1), transport('exchange'), 4],
  ['a delete, answer lost', { method: 'DELETE', key: 'k' }, transport('exchange'), 4],
  ['create, nothing sent', { method: 'POST', key: 'k', query: 'uploads' }, transport('connect'), 4],
  ['create, answer lost', { method: 'POST', key: 'k', query: 'uploads' }, transport('exchange'), 1],
  ['create, 503', { method: 'POST', key: 'k', query: 'uploads' }, answered(503), 1],
  ['complete, answer lost', { method: 'POST', key: 'k', query: 'uploadId=u', body: 'x' }, transport('exchange'), 1],
  [
    'copy, answer lost',
    { method: 'PUT', key: 'k', headers: { 'x-amz-copy-source': '/b/a' } },
    transport('exchange'),
    1,
  ],
  ['unknown GET, answer lost', { query: 'inventory' }, transport('exchange'), 4],
  ['unknown POST, answer lost', { method: 'POST', query: 'inventory' }, transport('exchange'), 1],
  ['a programming error', { key: 'k' }, () => new TypeError('x'), 1],
  ['an error of this side', { key: 'k' }, () => new S3Error('ServiceUnavailable'), 1],
];
for (const [title, parts, failure, expected] of CASES) {
  t.test(`${title}: ${expected === 1 ? 'not tried again' : 'tried again'}`, async (t) => {
    t.equal((await tries(parts, failure)).count, expected);
  });
}

t.test('waits grow, and the last error is thrown', async (t) => {
  const { waits, error } = await tries({ key: 'k' }, transport('connect'));
  t.same(waits, [50, 100, 200]);
  t.match(error, { code: 'ServiceUnavailable', cause: { phase: 'connect' } });
  t.equal((await tries({ key: 'k' }, transport('connect'), 0)).count, 1);
});

t.test('Retry-After is honoured, and a long one passed on', async (t) => {
  t.same((await tries({ key: 'k' }, answered(503, '2'), 1)).waits, [2000]);
  t.equal((await tries({ key: 'k' }, answered(503, '60'))).count, 1);
});

t.test('what succeeds the second time is answered, and noted', async (t) => {
  let count = 0;
  const layer = retry({ retries: 3, sleep: async () => {} });
  const handler = layer(async () => {
    if (count++ === 0) throw transport('connect')();
    return fine;
  });
  const request = s3Request({ method: 'GET', bucket: 'b', key: 'k' });
  t.equal(await handler(request), fine);
  t.equal(request.notes.get('retries'), 1);
});

t.test('R19 a storm is not answered with a storm: the budget runs out', async (t) => {
  let count = 0;
  const handler = retry({ retries: 3, sleep: async () => {} })(async () => {
    count++;
    throw answered(503)();
  });
  for (let index = 0; index < 200; index++) {
    await handler(s3Request({ method: 'GET', bucket: 'b', key: 'k' })).catch(() => {});
  }
  t.ok(count < 200 + 20 + 21, `${count} attempts for 200 requests`);
});

t.test('a client that has gone is not tried for again', async (t) => {
  const client = new AbortController();
  let count = 0;
  const handler = retry({ retries: 3 })(async () => {
    count++;
    client.abort(new Error('gone'));
    throw transport('connect')();
  });
  await t.rejects(handler(s3Request({ method: 'GET', bucket: 'b', key: 'k', signal: client.signal })));
  t.equal(count, 1);
});

t.test('a small stream that fails, or ends early, is not sent at all', async (t) => {
  let count = 0;
  const handler = retry({ retries: 3 })(async () => {
    count++;
    return fine;
  });
  const put = { method: 'PUT', bucket: 'b', key: 'k' };
  const short = { ...put, body: generatedStream(9, 1), bodyLength: 10 };
  await t.rejects(handler(s3Request(short)), { code: 'IncompleteBody' });
  const body = generatedStream(10, 1);
  body.destroy(new S3Error('BadDigest'));
  await t.rejects(handler(s3Request({ ...put, body, bodyLength: 10 })), { code: 'BadDigest' });
  t.equal(count, 0);
});

t.test('who stops waiting for the next try is told why, as of any other request', async (t) => {
  const caller = new AbortController();
  const reason = new S3Error('ServiceUnavailable');
  const handler = retry({ retries: 3 })(async () => {
    setImmediate(() => caller.abort(reason));
    throw answered(503, '2')();
  });
  const request = s3Request({ method: 'GET', bucket: 'b', key: 'k', signal: caller.signal });
  t.equal(await handler(request).catch((thrown: unknown) => thrown), reason);
});
