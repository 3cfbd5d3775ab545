import { createHash } from 'node:crypto';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetBucketAclCommand,
  GetBucketVersioningCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListPartsCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import t from 'tap';
import { s3Client } from '../support/clients.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';
import { postForm } from '../support/post-form.ts';

const MiB = 1024 * 1024;

/** Sluice over its own store is the vendor: another Sluice in front is told that it can do next to nothing. */
const vendor = await startTestGateway(
  `${CREDENTIALS}\nstorages: [{ name: local, provider: filesystem, path: ${t.testdir()}, default: true }]`,
);
t.teardown(() => vendor.close());
const direct = s3Client(t, vendor.url);
await direct.send(new CreateBucketCommand({ Bucket: 'data-125' }));

async function narrow(fields: string): Promise<{ gateway: TestGateway; client: S3Client }> {
  const gateway = await startTestGateway(
    `${CREDENTIALS}
storages:
  - { name: narrow, provider: other, endpoint: "127.0.0.1:${vendor.port}", protocol: http, accessKey: ${ACCESS_KEY},
      secretKey: ${SECRET_KEY}, bucket: data, prefix: pre/, bucketSuffix: "-125", uploadPartSize: 5MiB, ${fields} }`,
  );
  t.teardown(() => gateway.close());
  return { gateway, client: s3Client(t, gateway.url) };
}

const { gateway, client } = await narrow(
  'signature: v2, listVersion: 1, encodingType: unsupported, maxKeys: 4, maxDeleteKeys: 3, maxSinglePut: 6291456, maxCopy: 6291456, uploadPartCopy: missing, etag: md5, missing: [GetBucketVersioning, GetBucketAcl, GetObjectAttributes]',
);
const Bucket = 'data';
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

t.test('listings in pages, percent-encoded or not, and deletions of many keys', async (t) => {
  const keys = ['a b', 'a+b', 'a/1', 'a/2', 'b/1', 'c|{":,}', '<&>', '日本', '\u{10000}'];
  for (const Key of keys) await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
  const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const EncodingType of [undefined, 'url'] as const) {
    const found: string[] = [];
    for await (const page of paginateListObjectsV2({ client }, { Bucket, EncodingType, MaxKeys: 1000 })) {
      t.equal(page.KeyCount, page.Contents?.length);
      t.equal(page.MaxKeys, 1000);
      found.push(...(page.Contents ?? []).map(({ Key = '' }) => (EncodingType ? decodeURIComponent(Key) : Key)));
    }
    t.same(found, sorted);
  }
  const grouped = await client.send(new ListObjectsCommand({ Bucket, Delimiter: '/', MaxKeys: 3 }));
  t.ok(grouped.IsTruncated && grouped.NextMarker);
  t.equal(grouped.Name, Bucket);
  t.equal(grouped.Contents?.[0]?.Owner?.ID ?? 'sluice', 'sluice');
  const deleted = await client.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }),
  );
  t.same(
    deleted.Deleted?.map(({ Key }) => Key),
    keys,
  );
  t.equal((await client.send(new ListObjectsCommand({ Bucket }))).Contents, undefined);
  t.same(
    (await client.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name),
    [Bucket],
  );
});

t.test('R24 an object above every limit is put, copied and read, with its MD5 and its checksum', async (t) => {
  const bytes = generatedBytes(13 * MiB + 5, 1);
  const put = await client.send(new PutObjectCommand({ Bucket, Key: 'large', Body: bytes, Metadata: { a: 'b' } }));
  t.equal(put.ETag, `"${md5(bytes)}"`);
  t.ok(put.ChecksumCRC32);
  const headed = await client.send(new HeadObjectCommand({ Bucket, Key: 'large', ChecksumMode: 'ENABLED' }));
  t.match(headed, { ETag: `"${md5(bytes)}"`, ContentLength: bytes.length, Metadata: { a: 'b' } });
  t.equal(headed.ChecksumCRC32, put.ChecksumCRC32);
  t.same(Object.keys(headed.Metadata ?? {}), ['a']);
  await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/large` }));
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'copy', ChecksumMode: 'ENABLED' }));
  t.ok(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(bytes));
  t.equal(got.ChecksumCRC32, put.ChecksumCRC32);
  const attributes = await client.send(
    new GetObjectAttributesCommand({ Bucket, Key: 'large', ObjectAttributes: ['ETag', 'ObjectSize', 'Checksum'] }),
  );
  t.match(attributes, { ETag: md5(bytes), ObjectSize: bytes.length, Checksum: { ChecksumCRC32: put.ChecksumCRC32 } });
});

t.test("a client's own multipart upload, with checksums on every part", async (t) => {
  const bytes = generatedBytes(11 * MiB, 2);
  const upload = new Upload({ client, params: { Bucket, Key: 'parts', Body: bytes }, partSize: 5 * MiB });
  const done = await upload.done();
  t.match(done.ETag, /^"[0-9a-f]{32}-3"$/);
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'parts' }));
  t.equal(got.ETag, done.ETag);
  t.ok(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(bytes));
  await t.rejects(client.send(new ListPartsCommand({ Bucket, Key: 'parts', UploadId: 'none' })), {
    name: 'NoSuchUpload',
  });
});

t.test('a form of unknown length is taken, be it small or large', async (t) => {
  for (const size of [100, 7 * MiB]) {
    const bytes = Buffer.from(generatedBytes(size / 2, 3).toString('hex'));
    const response = await postChunked(gateway.url, 'form', bytes.toString());
    t.equal(response.status, 204, await response.text());
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'form' }));
    t.ok(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(bytes));
    t.equal(got.ETag, `"${md5(bytes)}"`);
  }
});

t.test('R19 R20 questions are answered; conditions that cannot be heeded are refused', async (t) => {
  t.equal((await client.send(new GetBucketVersioningCommand({ Bucket }))).Status, undefined);
  t.equal((await client.send(new GetBucketAclCommand({ Bucket }))).Owner?.ID, 'sluice');
  const put = new PutObjectCommand({ Bucket, Key: 'guarded', Body: 'x', IfNoneMatch: '*' });
  await t.rejects(client.send(put), { name: 'NotImplemented' });
  const heeding = await narrow('ifNoneMatch: { by: native }, ifMatch: { by: native }');
  await heeding.client.send(put);
  await t.rejects(heeding.client.send(put), { name: 'PreconditionFailed' });
});

/** A browser's form, sent chunked: nobody knows the file's length beforehand. */
async function postChunked(url: string, key: string, file: string): Promise<Response> {
  const form = postForm({
    accessKey: ACCESS_KEY,
    secretKey: SECRET_KEY,
    time: new Date(),
    bucket: Bucket,
    fields: { key },
    file,
  });
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < form.body.length; at += 65_536) controller.enqueue(form.body.subarray(at, at + 65_536));
      controller.close();
    },
  });
  const headers = { 'content-type': form.headers['content-type'] };
  return fetch(`${url}/${Bucket}`, { method: 'POST', headers, body: stream, duplex: 'half' });
}
