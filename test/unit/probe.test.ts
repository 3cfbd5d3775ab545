import t from 'tap';
import type { Storage } from '../../src/generation.ts';
import { createProbe, probeStorage } from '../../src/probe.ts';
import { S3Error } from '../../src/s3/error.ts';
import { headersOf } from '../../src/s3/headers.ts';
import type { Handler, S3Request } from '../../src/s3/message.ts';

const OK = { status: 200, headers: headersOf({}), body: null };

/** A storage with nothing but what a probe looks at. */
function storageOf(handler: Handler, more: Partial<Storage['config']> = {}): Storage {
  const config = { name: 'depot', bucket: 'goods', prefix: 'pre/', ...more };
  // The probe reads no other field of either.
  return { config, connection: { handler } } as Storage;
}

/** Never answers. Holds the process as a socket would: the signal's own timer does not. */
const hangs: Handler = ({ signal }) =>
  new Promise((_resolve, reject) => {
    const socket = setInterval(() => undefined, 1000);
    signal.addEventListener('abort', () => {
      clearInterval(socket);
      reject(signal.reason);
    });
  });

t.test('a storage that does not answer in time is not ready', async (t) => {
  t.strictSame(await probeStorage(storageOf(hangs), 20), { name: 'depot', isReady: false });
});

t.test('the sentinel is asked for below the prefix, else the bucket, else the list of buckets', async (t) => {
  const asked: Pick<S3Request, 'operation' | 'bucket' | 'key'>[] = [];
  const handler: Handler = async ({ operation, bucket, key }) => {
    asked.push({ operation, bucket, key });
    return OK;
  };
  await probeStorage(storageOf(handler, { sentinel: 'alive' }));
  await probeStorage(storageOf(handler));
  await probeStorage(storageOf(handler, { bucket: undefined }));
  t.strictSame(asked, [
    { operation: 'HeadObject', bucket: 'goods', key: 'pre/alive' },
    { operation: 'HeadBucket', bucket: 'goods', key: undefined },
    { operation: 'ListBuckets', bucket: undefined, key: undefined },
  ]);
});

t.test('what a storage answers as an error is not ready, and a mistake of our own is not hidden', async (t) => {
  const answers = (error: Error): Handler => {
    return async () => {
      throw error;
    };
  };
  t.strictSame(await probeStorage(storageOf(answers(new S3Error('NoSuchKey')))), { name: 'depot', isReady: false });
  await t.rejects(probeStorage(storageOf(answers(new TypeError('ours')))), TypeError);
});

t.test('who asks while a check is under way hears of that one, and the next asks anew', async (t) => {
  let count = 0;
  const handler: Handler = async () => {
    count++;
    return OK;
  };
  const probe = createProbe(() => [storageOf(handler)]);
  const [first, second] = await Promise.all([probe(), probe()]);
  t.equal(first, second);
  t.equal(count, 1);
  await probe();
  t.equal(count, 2);
});
