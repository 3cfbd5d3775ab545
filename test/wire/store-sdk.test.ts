import { truncateSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import {
  ChecksumAlgorithm,
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetBucketAclCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import t, { type Test } from 'tap';
import { dataFiles, temporaryFolder } from '../support/filesystem-store.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';

const Bucket = 'sdk-bucket';

interface Fixture {
  readonly gateway: TestGateway;
  readonly client: S3Client;
  readonly path: string;
}

async function start(t: Test): Promise<Fixture> {
  const path = temporaryFolder(t);
  const storage = `storages: [{ name: local, provider: filesystem, path: "${path}", default: true }]`;
  const gateway = await startTestGateway(`${CREDENTIALS}\n${storage}`);
  t.teardown(() => gateway.close());
  const client = new S3Client({
    endpoint: gateway.url,
    region: 'anywhere-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
  });
  t.teardown(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket }));
  return { gateway, client, path };
}

/** The name and status of what the SDK throws. */
async function failure(sent: Promise<unknown>): Promise<readonly [string, number | undefined]> {
  try {
    await sent;
  } catch (error) {
    if (error instanceof S3ServiceException) return [error.name, error.$metadata.httpStatusCode];
    throw error;
  }
  return ['no error', undefined];
}

t.test('the SDK reads what it wrote', async (t) => {
  const { client } = await start(t);
  const Key = 'a//ü b+c%2F';
  const described = { Metadata: { m: '1' }, Tagging: 'x=1', ContentType: 'a/b' };
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'hello', ...described }));
  const read = await client.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
  t.equal(await read.Body?.transformToString(), 'hello');
  t.match(read, { ContentType: 'a/b', Metadata: { m: '1' }, TagCount: 1, ChecksumCRC32: 'NhCmhg==', ContentLength: 5 });
  const stream = Readable.from([generatedBytes(100_000, 1), generatedBytes(50_000, 2)]);
  await client.send(new PutObjectCommand({ Bucket, Key: 'stream', Body: stream, ContentLength: 150_000 }));
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'stream' }));
  t.same([head.ContentLength, head.ContentEncoding], [150_000, undefined], 'the framing of the upload is gone');
  await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/${encodeURIComponent(Key)}` }));
  const { TagSet } = await client.send(new GetObjectTaggingCommand({ Bucket, Key: 'copy' }));
  t.same(TagSet, [{ Key: 'x', Value: '1' }]);
  const part = await client.send(new GetObjectCommand({ Bucket, Key: 'copy', Range: 'bytes=1-2' }));
  t.same([await part.Body?.transformToString(), part.ContentRange], ['el', 'bytes 1-2/5']);
});

t.test('uploads in parts, with every checksum', async (t) => {
  const { client } = await start(t);
  const body = generatedBytes(11 * 1024 * 1024, 3);
  for (const ChecksumAlgorithmName of Object.values(ChecksumAlgorithm)) {
    const known = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];
    if (!known.includes(ChecksumAlgorithmName)) continue;
    const params = { Bucket, Key: 'parts', Body: body, ChecksumAlgorithm: ChecksumAlgorithmName };
    const done = await new Upload({ client, params, partSize: 5 * 1024 * 1024 }).done();
    t.match(done.ETag, /^"[0-9a-f]{32}-3"$/);
    const read = await client.send(new GetObjectCommand({ Bucket, Key: 'parts', ChecksumMode: 'ENABLED' }));
    t.ok(Buffer.from((await read.Body?.transformToByteArray()) ?? []).equals(body), ChecksumAlgorithmName);
    const asked = { ObjectAttributes: ['Checksum', 'ObjectParts', 'ObjectSize'] as const };
    const told = await client.send(
      new GetObjectAttributesCommand({ Bucket, Key: 'parts', ObjectAttributes: [...asked.ObjectAttributes] }),
    );
    t.match(told, { ObjectSize: body.byteLength, ObjectParts: { TotalPartsCount: 3 } });
    t.ok(told.Checksum?.[`Checksum${ChecksumAlgorithmName}` as 'ChecksumCRC32']);
  }
});

t.test('listings page, and the questions asked at start are answered', async (t) => {
  const { client } = await start(t);
  const keys = Array.from({ length: 25 }, (_, n) => `k/${String(n).padStart(2, '0')} ü&<`);
  await Promise.all(keys.map((Key) => client.send(new PutObjectCommand({ Bucket, Key, Body: Key }))));
  const seen: (string | undefined)[] = [];
  for await (const page of paginateListObjectsV2({ client, pageSize: 7 }, { Bucket, EncodingType: 'url' })) {
    seen.push(...(page.Contents ?? []).map(({ Key }) => decodeURIComponent(Key ?? '')));
  }
  t.same(seen, keys);
  const versions = await client.send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 3 }));
  t.match(versions.Versions?.[0], { VersionId: 'null', IsLatest: true });
  t.equal((await client.send(new GetBucketVersioningCommand({ Bucket }))).Status, undefined);
  t.equal((await client.send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint, undefined);
  t.equal((await client.send(new GetBucketAclCommand({ Bucket }))).Grants?.[0]?.Permission, 'FULL_CONTROL');
  t.same(await failure(client.send(new DeleteBucketCommand({ Bucket }))), ['BucketNotEmpty', 409]);
  const Delete = { Objects: keys.map((Key) => ({ Key })) };
  const deleted = await client.send(new DeleteObjectsCommand({ Bucket, Delete }));
  t.same([deleted.Deleted?.length, deleted.Errors], [25, undefined]);
  t.equal((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 0);
  await client.send(new DeleteBucketCommand({ Bucket }));
});

t.test('errors reach the SDK by name', async (t) => {
  const { client } = await start(t);
  const Key = 'k';
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
  const get = (input: object) => failure(client.send(new GetObjectCommand({ Bucket, Key, ...input })));
  t.same(await get({ Key: 'none' }), ['NoSuchKey', 404]);
  t.same(await get({ Range: 'bytes=9-' }), ['InvalidRange', 416]);
  t.same(await get({ IfMatch: '"0"' }), ['PreconditionFailed', 412]);
  t.same((await get({ IfNoneMatch: '*' }))[1], 304);
  t.same(await failure(client.send(new HeadObjectCommand({ Bucket, Key: 'none' }))), ['NotFound', 404]);
  const put = (input: object) => failure(client.send(new PutObjectCommand({ Bucket, Key, Body: 'y', ...input })));
  t.same(await put({ IfNoneMatch: '*' }), ['PreconditionFailed', 412]);
  t.same(await put({ Bucket: 'absent-bucket' }), ['NoSuchBucket', 404]);
  t.same(await put({ ServerSideEncryption: 'aws:kms' }), ['NotImplemented', 501]);
  t.same(await put({ ChecksumCRC32: 'AAAAAA==' }), ['BadDigest', 400]);
  const read = await client.send(new GetObjectCommand({ Bucket, Key }));
  t.equal(await read.Body?.transformToString(), 'x', 'and nothing was overwritten');
});

t.test('a presigned PUT that stops early leaves nothing', async (t) => {
  const { client, path } = await start(t);
  const url = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key: 'short' }));
  const agent = new Agent();
  t.teardown(() => agent.destroy());
  const sent = httpRequest(url, { method: 'PUT', agent, headers: { 'content-length': '1000000' } });
  sent.write(generatedBytes(600_000, 4));
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (dataFiles(path).length === 0) return;
      clearInterval(timer);
      resolve();
    }, 5);
  });
  const closed = new Promise((resolve) => sent.once('close', resolve));
  sent.on('error', () => undefined);
  sent.destroy();
  await closed;
  while (dataFiles(path).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.same(await failure(client.send(new HeadObjectCommand({ Bucket, Key: 'short' }))), ['NotFound', 404]);
});

t.test('a data file that turns out short breaks the connection instead of looking whole', async (t) => {
  const { client, path } = await start(t);
  await client.send(new PutObjectCommand({ Bucket, Key: 'cut', Body: generatedBytes(30_000_000, 5) }));
  const read = await client.send(new GetObjectCommand({ Bucket, Key: 'cut' }));
  truncateSync(dataFiles(path)[0] ?? '', 20_000_000);
  await t.rejects(async () => void (await read.Body?.transformToByteArray()), /aborted|terminated|hang up|ECONNRESET/);
  t.same((await failure(client.send(new GetObjectCommand({ Bucket, Key: 'cut' }))))[1], 500);
});
