import { createRequire } from 'node:module';
import { generatedBytes } from '../../support/generated.ts';
import { fetchUrl } from '../loopback.ts';
import { packageVersion } from '../process.ts';
import { type Check, type ClientAccess, type ClientScenario, LARGE, TREE } from '../scenario.ts';
import { ownBucket } from './own-bucket.ts';

const MiB = 2 ** 20;

/** Its own types need the DOM's; these are the calls made here. */
type Opendal = typeof import('opendal');

/** Apache OpenDAL: what sccache, Databend, RisingWave and others reach S3 through. Its binary is one for each platform. */
export const opendal: ClientScenario = {
  name: 'opendal',
  program: undefined,
  version: () => packageVersion('opendal'),
  lacks: async () => {
    try {
      load();
      return false;
    } catch {
      return 'npm has no opendal binary for this platform';
    }
  },
  run: round,
};

/** Loaded when asked for, as it fails where it has no binary. */
function load(): Opendal {
  return createRequire(import.meta.url)('opendal');
}

async function round(t: Check, access: ClientAccess): Promise<void> {
  const { endpoint, accessKey, secretKey, bucket, large: size = LARGE, guarded = /^PreconditionFailed$/ } = access;
  const { keys } = await ownBucket(t, access);
  const { Operator } = load();
  const operator = new Operator('s3', {
    root: '/data',
    bucket,
    endpoint,
    region: 'us-east-1',
    access_key_id: accessKey,
    secret_access_key: secretKey,
  });
  await operator.check();
  for (const [path, content] of Object.entries(TREE)) {
    await operator.write(path, content);
    t.equal((await operator.read(path)).toString(), content, path);
  }
  await operator.write('typed', 'x', { contentType: 'text/x-test', cacheControl: 'no-cache' });
  const typed = await operator.stat('typed');
  t.strictSame([typed.contentLength, typed.contentType, typed.isFile()], [1n, 'text/x-test', true]);
  t.equal(await operator.exists('absent'), false);
  await t.rejects(operator.read('absent'), { message: /NotFound/ });

  const listed = await operator.list('/', { recursive: true });
  const files = listed.map((entry) => entry.path()).filter((path) => !path.endsWith('/'));
  t.strictSame(files.sort(), [...Object.keys(TREE), 'typed'].sort());
  const top = (await operator.list('/')).map((entry) => entry.path());
  t.ok(top.includes('deep/') && top.includes('plain.txt') && !top.includes('deep/er/file.txt'));

  const large = generatedBytes(size, 41);
  const writer = await operator.writer('large', { chunk: BigInt(8 * MiB), concurrent: 4 });
  for (let from = 0; from < size; from += 3 * MiB) await writer.write(large.subarray(from, from + 3 * MiB));
  await writer.close();
  t.ok((await operator.read('large')).equals(large), 'written in parts');
  const across = await operator.read('large', { offset: BigInt(5 * MiB - 8), size: 16n });
  t.ok(across.equals(large.subarray(5 * MiB - 8, 5 * MiB + 8)));
  await operator.copy('ünï/测试.txt', 'copy of it');
  t.equal((await operator.read('copy of it')).toString(), 'unicode');
  // Where the storage cannot tell, that is an error too: never an object written over.
  const refusal = guarded.test('NotImplemented') ? /ConditionNotMatch|NotImplemented/ : /ConditionNotMatch/;
  await t.rejects(operator.write('plain.txt', 'other', { ifNotExists: true }), { message: refusal });
  t.equal((await operator.read('plain.txt')).toString(), 'plain');

  const get = await operator.presignRead('with space.txt', 60);
  t.strictSame(await fetchUrl(get.url), { status: 200, text: 'space' });
  const put = await operator.presignWrite('by url', 60);
  t.equal((await fetchUrl(put.url, { method: 'PUT', body: 'by url' })).status, 200);
  t.equal((await operator.read('by url')).toString(), 'by url');

  await operator.remove(['by url', 'typed', 'absent']);
  t.equal(await operator.exists('typed'), false);
  await operator.removeAll('/');
  t.strictSame(await keys(), []);
}
