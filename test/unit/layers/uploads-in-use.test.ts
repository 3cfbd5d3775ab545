import { Readable } from 'node:stream';
import t from 'tap';
import { watchUploads } from '../../../src/layers/uploads-in-use.ts';
import type { S3Response } from '../../../src/s3/message.ts';
import { s3Request } from '../../support/s3-request.ts';

const NAME = { address: 'there', bucket: 'b', key: 'k', uploadId: 'u' };
const part = () => s3Request({ method: 'PUT', bucket: 'b', key: 'k', query: 'partNumber=1&uploadId=u' });

t.test('an upload is in use until the answer has been read', async (t) => {
  const uploads = watchUploads();
  let answer: (response: S3Response) => void = () => {};
  const handler = uploads.layer('there')(
    () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  );
  const asked = handler(part());
  t.ok(uploads.has(NAME));
  for (const other of [{ address: 'elsewhere' }, { bucket: 'c' }, { key: 'l' }, { uploadId: 'v' }]) {
    t.notOk(uploads.has({ ...NAME, ...other }), JSON.stringify(other));
  }
  const body = Readable.from([Buffer.from('<x/>')]);
  answer({ status: 200, headers: new Map(), body });
  await asked;
  t.ok(uploads.has(NAME), 'a Complete may take minutes, behind the head of its answer');
  await new Promise((resolve) => body.once('close', resolve).resume());
  t.notOk(uploads.has(NAME));
});

t.test('an upload is in use as long as one of its requests is under way, however the others end', async (t) => {
  const uploads = watchUploads();
  const ends: ((error?: Error) => void)[] = [];
  const handler = uploads.layer('there')(
    () =>
      new Promise((resolve, reject) => {
        ends.push((error) => (error ? reject(error) : resolve({ status: 200, headers: new Map(), body: null })));
      }),
  );
  const first = handler(part());
  const second = handler(part());
  ends[0]?.(new Error('broken'));
  await t.rejects(first);
  t.ok(uploads.has(NAME));
  ends[1]?.();
  await second;
  t.notOk(uploads.has(NAME));
});

t.test('what is no part of an upload passes by', async (t) => {
  const uploads = watchUploads();
  const answer: S3Response = { status: 200, headers: new Map(), body: null };
  const handler = uploads.layer('there')(async () => answer);
  t.equal(await handler(s3Request({ method: 'PUT', bucket: 'b', key: 'k' })), answer);
});
