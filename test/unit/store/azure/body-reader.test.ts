import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import { S3Error } from '../../../../src/s3/error.ts';
import type { Body } from '../../../../src/s3/message.ts';
import { BodyReader } from '../../../../src/store/azure/body-reader.ts';
import { generatedBytes } from '../../../support/generated.ts';

const { signal } = new AbortController();
const bytes = generatedBytes(100_000, 1);

function reading(body: Body): { readonly reader: BodyReader; readonly seen: () => Buffer } {
  const chunks: Uint8Array[] = [];
  return { reader: new BodyReader(body, signal, (chunk) => chunks.push(chunk)), seen: () => Buffer.concat(chunks) };
}

function pieces(size: number): Readable {
  const count = Math.ceil(bytes.byteLength / size);
  const parts = Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
  return Readable.from([Buffer.alloc(0), ...parts, Buffer.alloc(0)]);
}

t.test('a body is taken apart at any place, whatever its pieces are', async (t) => {
  for (const body of [() => bytes, () => pieces(1), () => pieces(777), () => pieces(65_536), () => pieces(100_000)]) {
    const { reader, seen } = reading(body());
    const begun = await reader.read(1000);
    const middle = await buffer(reader.stream(50_000));
    const rest = await reader.read(1_000_000);
    t.same([begun.byteLength, middle.byteLength, rest.byteLength], [1000, 50_000, 49_000]);
    t.ok(Buffer.concat([begun, middle, rest]).equals(bytes));
    t.ok(seen().equals(bytes), 'each byte was shown once');
    await reader.expectEnd();
    reader.close();
  }
  const { reader } = reading(null);
  t.equal((await reader.read(10)).byteLength, 0);
});

t.test('a whole body ends only when it has ended as it should', async (t) => {
  const whole = (body: Body, length: number) => buffer(reading(body).reader.whole(length));
  t.ok((await whole(pieces(333), 100_000)).equals(bytes));
  t.equal((await whole(null, 0)).byteLength, 0);
  for (const length of [99_999, 100_001]) {
    await t.rejects(whole(pieces(333), length), { code: 'IncompleteBody' });
    await t.rejects(whole(bytes, length), { code: 'IncompleteBody' });
  }
  const failing = Readable.from(
    (async function* () {
      yield bytes;
      throw new S3Error('BadDigest');
    })(),
  );
  const { reader } = reading(failing);
  const passed: Uint8Array[] = [];
  await t.rejects(
    async () => {
      for await (const chunk of reader.whole(100_000)) passed.push(chunk);
    },
    { code: 'BadDigest' },
  );
  t.same(passed, [], 'the last bytes were held back');
});

t.test('nothing is read before it is asked for, and no more than a chunk beyond', async (t) => {
  let made = 0;
  const endless = new Readable({
    highWaterMark: 1,
    read() {
      made++;
      this.push(Buffer.alloc(1000));
    },
  });
  const { reader } = reading(endless);
  t.equal(made, 0);
  t.equal((await reader.read(5000)).byteLength, 5000);
  const before = made;
  t.ok(before <= 8, String(before));
  const stream = reader.stream(1_000_000_000);
  stream.read(0);
  await new Promise((resolve) => stream.once('readable', resolve));
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  t.ok(made * 1000 < 300_000, `${made} chunks while nobody reads`);
  reader.close();
  t.ok(endless.destroyed);
});

t.test('a body that is gone, or goes, fails whoever waits for it', async (t) => {
  const destroyed = new Readable({ read() {} });
  destroyed.destroy();
  await t.rejects(reading(destroyed).reader.read(1), { code: 'IncompleteBody' });
  const leaving = new Readable({ read() {} });
  const waiting = reading(leaving).reader.read(1);
  leaving.destroy();
  await t.rejects(waiting, { code: 'IncompleteBody' });
  const abort = new AbortController();
  const aborted = new BodyReader(new Readable({ read() {} }), abort.signal, () => undefined).read(1);
  abort.abort();
  await t.rejects(aborted, { name: 'AbortError' });
});
