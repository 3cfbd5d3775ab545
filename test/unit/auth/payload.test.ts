import { createHash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import t from 'tap';
import { CHECKSUM_ALGORITHMS, checksumHeader, createChecksum } from '../../../src/s3/checksum.ts';
import { S3Error } from '../../../src/s3/error.ts';
import type { Body } from '../../../src/s3/message.ts';
import { CALLER, HOST, NOW, through } from '../../support/auth-gate.ts';
import { generatedBytes } from '../../support/generated.ts';
import { bytesOf } from '../../support/request.ts';
import { signHeader } from '../../support/slow-verifier.ts';

const BY = { ...CALLER, time: NOW };

/** Gives a body with these headers to the layer. */
function put(body: Readable | Buffer, length: number, headers: Readonly<Record<string, string>> = {}) {
  const all = { host: HOST, 'content-length': String(length), 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...headers };
  return through({ ...signHeader({ method: 'PUT', target: '/bucket/key', headers: all }, BY), body });
}

function streamOf(body: Body): Readable {
  if (body instanceof Readable) return body;
  throw new Error('a stream was expected');
}

function pieces(body: Buffer, size: number): Readable {
  const count = Math.ceil(body.length / size);
  return Readable.from(Array.from({ length: count }, (_, index) => body.subarray(index * size, (index + 1) * size)));
}

const body = generatedBytes(300_000, 5);
const other = Buffer.from(body);
other[299_999] = (other[299_999] ?? 0) ^ 1;

const CHECKS: readonly (readonly [name: string, headers: Record<string, string>, code: string])[] = [
  [
    'x-amz-content-sha256',
    { 'x-amz-content-sha256': createHash('sha256').update(body).digest('hex') },
    'XAmzContentSHA256Mismatch',
  ],
  ['Content-MD5', { 'content-md5': createHash('md5').update(body).digest('base64') }, 'BadDigest'],
  ...CHECKSUM_ALGORITHMS.map((algorithm) => {
    const checksum = createChecksum(algorithm);
    checksum.update(body);
    return [algorithm, { [checksumHeader(algorithm)]: checksum.digest() }, 'BadDigest'] as const;
  }),
];

for (const [name, headers, code] of CHECKS) {
  t.test(`${name}: the right body passes, one with its last bit flipped fails before it is whole`, async (t) => {
    for (const size of [1000, 65_536, 300_000]) {
      const request = await put(pieces(body, size), body.length, headers);
      t.ok((await bytesOf(request.body)).equals(body));
      const checksum = Object.entries(headers).find(([header]) => header.startsWith('x-amz-checksum-'));
      t.equal(request.bodyChecksum()?.value, checksum?.[1]);
      const received: Buffer[] = [];
      const wrong = await put(pieces(other, size), body.length, headers);
      t.equal(wrong.bodyChecksum(), undefined, 'nothing is certain before the end');
      const read = async () => {
        if (wrong.body instanceof Readable) for await (const chunk of wrong.body) received.push(chunk as Buffer); // A byte stream.
      };
      await t.rejects(read(), { code });
      t.ok(Buffer.concat(received).length < body.length);
      t.equal(wrong.bodyChecksum(), undefined);
    }
    const whole = await put(body, body.length, headers);
    t.ok((await bytesOf(whole.body)).equals(body), 'bytes in one buffer');
    await t.rejects(
      put(other, body.length, headers).then((request) => bytesOf(request.body)),
      { code },
    );
  });
}

t.test('a body of another length than Content-Length fails, even when nothing else is checked', async (t) => {
  for (const length of [299_999, 300_001]) {
    const request = await put(pieces(body, 65_536), length);
    await t.rejects(bytesOf(request.body), { code: 'IncompleteBody' });
  }
});

t.test('a source that breaks fails the body: with its own S3Error, else with IncompleteBody', async (t) => {
  for (const [error, code] of [
    [new Error('reset'), 'IncompleteBody'],
    [new S3Error('RequestTimeout'), 'RequestTimeout'],
    [null, 'IncompleteBody'],
  ] as const) {
    const source = new Readable({ read() {} });
    source.push(Buffer.alloc(10));
    const request = await put(source, 100);
    const reading = bytesOf(request.body);
    setImmediate(() => source.destroy(error ?? undefined));
    await t.rejects(reading, { code });
  }
});

t.test('the source is not touched before the body is read: 100 Continue waits for it', async (t) => {
  let isRead = false;
  const source = new Readable({
    read() {
      isRead = true;
      this.push(Buffer.from('hello'));
      this.push(null);
    },
  });
  const request = await put(source, 5, { 'x-amz-content-sha256': createHash('sha256').update('hello').digest('hex') });
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(isRead, false);
  t.equal((await bytesOf(request.body)).toString(), 'hello');
});

t.test('a body that nobody wants lets go of its source', async (t) => {
  const source = new Readable({ read() {} });
  const request = await put(source, 5);
  streamOf(request.body).destroy();
  t.ok(source.destroyed);
});

t.test('a slow reader holds the source back', async (t) => {
  let given = 0;
  const source = new Readable({
    highWaterMark: 65_536,
    read() {
      given += 65_536;
      this.push(given > 64 * 65_536 ? null : Buffer.alloc(65_536));
    },
  });
  const request = await put(source, 64 * 65_536, {
    'content-md5': createHash('md5')
      .update(Buffer.alloc(64 * 65_536))
      .digest('base64'),
  });
  let most = 0;
  let taken = 0;
  const slow = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _, done) {
      taken += chunk.length;
      most = Math.max(most, given - taken);
      setImmediate(done);
    },
  });
  await pipeline(streamOf(request.body), slow);
  t.equal(taken, 64 * 65_536);
  t.ok(most <= 6 * 65_536, `${most} bytes were under way`);
});

t.test('no stream is made for a request without a body', async (t) => {
  const request = await through(signHeader({ method: 'GET', target: '/bucket/key', headers: { host: HOST } }, BY));
  t.equal(request.body, null);
  t.equal(request.bodyLength, 0);
});

t.test('a failure after the reader has turned away does not end the process', async (t) => {
  const source = new Readable({ read() {} });
  source.push(Buffer.alloc(10));
  const stream = streamOf((await put(source, 100)).body);
  stream.resume();
  await new Promise((resolve) => setImmediate(resolve));
  source.destroy();
  await new Promise((resolve) => stream.once('close', resolve));
  t.equal((stream.errored as S3Error | null)?.code, 'IncompleteBody'); // The only kind it is destroyed with.
});
