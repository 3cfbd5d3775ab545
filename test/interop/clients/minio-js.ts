import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Client } from 'minio';
import { fetchUrl, loopbackAgent } from '../loopback.ts';
import { packageVersion } from '../process.ts';
import { type ClientScenario, LARGE, plantRandom, TREE } from '../scenario.ts';

const MiB = 2 ** 20;

/** minio-js: over HTTP it hashes every body, and sends Content-MD5 where it hashes nothing. */
export const minioJs: ClientScenario = {
  name: 'minio-js',
  program: undefined,
  version: () => packageVersion('minio'),
  async run(t, { endpoint, accessKey, secretKey, folder, bucket, large: size = LARGE, direct }) {
    const [, host = '', port = ''] = /^http:\/\/(.*):(\d+)$/.exec(endpoint) ?? [];
    const transportAgent = loopbackAgent();
    t.teardown(() => transportAgent.destroy());
    const client = new Client({
      endPoint: host,
      port: Number(port),
      useSSL: false,
      accessKey,
      secretKey,
      partSize: (size < LARGE ? 5 : 8) * MiB,
      pathStyle: direct?.addressing !== 'virtual',
      transportAgent,
      ...(direct && { region: direct.region }),
    });
    const get = async (key: string) => buffer(await client.getObject(bucket, key));
    const list = async (stream: Readable) => {
      const rows: { name?: string; prefix?: string }[] = [];
      for await (const row of stream) rows.push(row);
      return rows.map(({ name, prefix }) => name ?? prefix ?? '');
    };

    await client.makeBucket(bucket, direct?.region ?? '');
    t.ok((await client.listBuckets()).some(({ name }) => name === bucket));
    t.equal(await client.bucketExists(bucket), true);
    for (const [key, content] of Object.entries(TREE)) {
      await client.putObject(bucket, key, content, Buffer.byteLength(content), {
        'Content-Type': 'text/x-test',
        who: 'me',
      });
      t.equal((await get(key)).toString(), content, key);
    }
    t.match(await client.statObject(bucket, 'plain.txt'), {
      size: 5,
      metaData: { 'content-type': 'text/x-test', who: 'me' },
    });
    const sorted = Object.keys(TREE).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    t.strictSame(await list(client.listObjectsV2(bucket, '', true)), sorted);
    t.strictSame(await list(client.listObjects(bucket, '', true)), sorted);
    t.ok((await list(client.listObjectsV2(bucket, '', false))).includes('deep/'));

    const path = join(folder, 'large.bin');
    plantRandom(path, size);
    await client.putObject(bucket, 'large', createReadStream(path), size);
    t.ok((await get('large')).equals(readFileSync(path)));
    const across = await buffer(await client.getPartialObject(bucket, 'large', 5 * MiB - 8, 16));
    t.ok(across.equals(readFileSync(path).subarray(5 * MiB - 8, 5 * MiB + 8)));

    await client.copyObject(bucket, 'copy', `/${bucket}/ünï/测试.txt`);
    t.equal((await get('copy')).toString(), 'unicode');
    const url = await client.presignedGetObject(bucket, 'with space.txt', 60);
    t.strictSame(await fetchUrl(url), { status: 200, text: 'space' });
    const putUrl = await client.presignedPutObject(bucket, 'by url', 60);
    t.equal((await fetchUrl(putUrl, { method: 'PUT', body: 'by url' })).status, 200);
    t.equal((await get('by url')).toString(), 'by url');
    await t.rejects(client.getObject(bucket, 'absent'), { code: 'NoSuchKey' });

    await client.removeObjects(bucket, [...sorted, 'copy', 'by url']);
    await client.removeObject(bucket, 'large');
    t.strictSame(await list(client.listObjectsV2(bucket, '', true)), []);
    await client.removeBucket(bucket);
    t.equal(await client.bucketExists(bucket), false);
  },
};
