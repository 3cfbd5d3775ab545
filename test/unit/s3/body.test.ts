import { Readable } from 'node:stream';
import t from 'tap';
import { dropBody, readBody } from '../../../src/s3/body.ts';
import type { S3Error } from '../../../src/s3/error.ts';

t.test('a body is read whole, however it comes', async (t) => {
  t.equal((await readBody(null, 0, 'MalformedXML')).byteLength, 0);
  const bytes = new Uint8Array(Buffer.from('xx<a/>')).subarray(2);
  t.equal((await readBody(bytes, 4, 'MalformedXML')).toString(), '<a/>');
  for (const chunks of [[], ['<a/>'], ['<', 'a', '/>']]) {
    const body = Readable.from(
      chunks.map((chunk) => Buffer.from(chunk)),
      { objectMode: false },
    );
    t.equal((await readBody(body, 4, 'MalformedXML')).toString(), chunks.join(''));
  }
});

t.test('one byte more than allowed is refused, and the rest not read', async (t) => {
  await t.rejects(readBody(Buffer.from('12345'), 4, 'MalformedXML'), { code: 'MalformedXML' });
  const body = Readable.from([Buffer.from('123'), Buffer.from('45'), Buffer.from('6')], { objectMode: false });
  const error: S3Error = await readBody(body, 4, 'MaxMessageLengthExceeded').catch((reason) => reason);
  t.equal(error.code, 'MaxMessageLengthExceeded');
  t.strictSame(error.detail, { MaxMessageLengthBytes: '4' });
  t.ok(body.destroyed);
});

t.test('what breaks a body while it is read is told', async (t) => {
  const body = new Readable({ read: () => undefined });
  body.push('begun');
  setImmediate(() => body.destroy(new Error('cut')));
  await t.rejects(readBody(body, 100, 'MalformedXML'), /cut/);
});

t.test('a body that fails while it is let go is nobody’s trouble', async (t) => {
  const body = new Readable({
    read: () => undefined,
    destroy: (_, done) => done(new Error('the connection is gone')),
  });
  dropBody(body);
  dropBody(null);
  dropBody(Buffer.from('x'));
  await new Promise<void>((resolve) => body.once('close', () => resolve()));
  t.ok(body.destroyed);
});
