import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { fetchUrl, loopbackAgent } from '../loopback.ts';
import { packageVersion } from '../process.ts';
import { type ClientScenario, LARGE, plantRandom, TREE } from '../scenario.ts';

/** The AWS SDK for JavaScript v3 with its defaults: checksums on every request. */
export const sdkV3: ClientScenario = {
  name: 'AWS SDK for JavaScript v3',
  program: undefined,
  version: () => packageVersion('@aws-sdk/client-s3'),
  async run(t, access) {
    const { endpoint, accessKey, secretKey, folder, bucket, direct } = access;
    const { large: size = LARGE, hasMd5ETags = true, guarded = /^PreconditionFailed$/ } = access;
    const httpAgent = loopbackAgent();
    t.teardown(() => httpAgent.destroy());
    const client = new S3Client({
      endpoint,
      region: direct?.region ?? 'us-east-1',
      forcePathStyle: direct?.addressing !== 'virtual',
      requestHandler: { httpAgent },
      ...(direct && { maxAttempts: 1 }),
      credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    });
    t.teardown(() => client.destroy());
    const place = (Key: string) => ({ Bucket: bucket, Key });
    const get = async (Key: string, Range?: string) => {
      const { Body } = await client.send(new GetObjectCommand({ ...place(Key), ...(Range && { Range }) }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    };

    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
    t.ok(Buckets.some(({ Name }) => Name === bucket));

    await client.send(
      new PutObjectCommand({
        ...place('dir/small.txt'),
        Body: 'hello',
        ContentType: 'text/plain',
        Metadata: { who: 'me' },
      }),
    );
    t.match(await client.send(new HeadObjectCommand(place('dir/small.txt'))), {
      ContentLength: 5,
      ContentType: 'text/plain',
      Metadata: { who: 'me' },
      ETag: hasMd5ETags ? '"5d41402abc4b2a76b9719d911017c592"' : /^".+"$/,
    });

    const part = (size < LARGE ? 5 : 8) * 2 ** 20;
    const path = join(folder, 'large.bin');
    plantRandom(path, size);
    await new Upload({
      client,
      params: { ...place('large.bin'), Body: createReadStream(path) },
      partSize: part,
    }).done();
    t.ok((await get('large.bin')).equals(readFileSync(path)));
    const across = await get('large.bin', `bytes=${part - 8}-${part + 7}`);
    t.ok(across.equals(readFileSync(path).subarray(part - 8, part + 8)));

    for (const [key, Body] of Object.entries(TREE))
      await client.send(new PutObjectCommand({ ...place(`tree/${key}`), Body }));
    const keys: string[] = [];
    for await (const page of paginateListObjectsV2({ client, pageSize: 2 }, { Bucket: bucket, Prefix: 'tree/' })) {
      keys.push(...(page.Contents ?? []).map(({ Key = '' }) => Key));
    }
    const expected = Object.keys(TREE).map((key) => `tree/${key}`);
    t.strictSame(
      keys,
      expected.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
    for (const [key, content] of Object.entries(TREE)) t.equal((await get(`tree/${key}`)).toString(), content, key);

    const source = encodeURIComponent(`${bucket}/tree/ünï/测试.txt`);
    await client.send(new CopyObjectCommand({ ...place('copy.txt'), CopySource: source }));
    t.equal((await get('copy.txt')).toString(), 'unicode');

    const getUrl = await getSignedUrl(client, new GetObjectCommand(place('copy.txt')), { expiresIn: 60 });
    t.equal((await fetchUrl(getUrl)).text, 'unicode');
    const putUrl = await getSignedUrl(client, new PutObjectCommand(place('presigned.txt')), { expiresIn: 60 });
    t.equal((await fetchUrl(putUrl, { method: 'PUT', body: 'by url' })).status, 200);
    t.equal((await get('presigned.txt')).toString(), 'by url');

    // Sent in signed chunks or with a trailer; AWS and we refuse chunks below 8 KiB but the last.
    const pieces = [Buffer.alloc(65_536, 'a'), Buffer.from('the rest')];
    const length = 65_536 + 8;
    await client.send(
      new PutObjectCommand({ ...place('streamed'), Body: Readable.from(pieces), ContentLength: length }),
    );
    t.ok((await get('streamed')).equals(Buffer.concat(pieces)));

    await t.rejects(client.send(new GetObjectCommand(place('missing'))), { name: 'NoSuchKey' });
    const put = new PutObjectCommand({ ...place('copy.txt'), Body: 'x', IfNoneMatch: '*' });
    await t.rejects(client.send(put), { name: guarded });

    const gone = await client.send(
      new DeleteObjectsCommand({
        Bucket: bucket,
        Delete: { Objects: [...expected, 'copy.txt', 'presigned.txt', 'not there'].map((Key) => ({ Key })) },
      }),
    );
    t.equal(gone.Deleted?.length, expected.length + 3);
    for (const key of ['dir/small.txt', 'large.bin', 'streamed'])
      await client.send(new DeleteObjectCommand(place(key)));
    await client.send(new DeleteBucketCommand({ Bucket: bucket }));
  },
};
