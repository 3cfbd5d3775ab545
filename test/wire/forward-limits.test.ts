import { createHash } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { s3Client } from '../support/clients.ts';
import { CREDENTIALS, startTestGateway } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';
import { STAND_INS, type StandInName } from '../vendors/rows.ts';
import { STAND_IN_KEY, startStandIn } from '../vendors/stand-in.ts';

const LIMIT = 256 * 1024;
const PART = 64 * 1024;
const Bucket = 'data-1250000000';
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
const NAMES = Object.keys(STAND_INS) as StandInName[]; // Its keys are that type.

/** Every vendor, as strict as it is said to be, with limits small enough to meet them. */
for (const name of NAMES) {
  t.test(`R8 R9 R12 R24 nothing of ${name} can be felt, its limits neither`, async (t) => {
    const vendor = await startStandIn(name, {
      maxPut: LIMIT,
      maxCopy: LIMIT,
      minPart: PART,
      deleteKeys: { most: 3, refusal: { status: 500, code: 'InternalError', message: '' } },
    });
    t.teardown(() => vendor.close());
    const { accessKey, secretKey } = STAND_IN_KEY;
    const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - { name: ${name}, provider: ${name}, endpoint: "${vendor.endpoint}", protocol: http, region: ${vendor.row.region}, accessKey: ${accessKey},
      secretKey: ${secretKey}, default: true, prefix: pre/, uploadPartSize: ${PART}, minPart: ${PART}, etag: md5,
      maxSinglePut: ${LIMIT}, maxCopy: ${LIMIT}, maxDeleteKeys: 3 }`);
    t.teardown(() => gateway.close());
    const client = s3Client(t, gateway.url);
    await client.send(new CreateBucketCommand({ Bucket }));
    const read = async (Key: string) => {
      const got = await client.send(new GetObjectCommand({ Bucket, Key }));
      return { etag: got.ETag, bytes: Buffer.from((await got.Body?.transformToByteArray()) ?? []) };
    };

    const bytes = generatedBytes(LIMIT * 2 + 77, 1);
    const put = await client.send(new PutObjectCommand({ Bucket, Key: 'large', Body: bytes, Metadata: { a: 'b' } }));
    t.equal(put.ETag, `"${md5(bytes)}"`);
    t.ok((await read('large')).bytes.equals(bytes));
    await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/large` }));
    t.ok((await read('copy')).bytes.equals(bytes));
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'copy', ChecksumMode: 'ENABLED' }));
    t.same(head.Metadata, { a: 'b' });

    const parts = generatedBytes(2 * PART + 9, 2);
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }));
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (const PartNumber of [1, 2, 3]) {
      const Body = parts.subarray((PartNumber - 1) * PART, PartNumber * PART);
      const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key: 'parts', UploadId, PartNumber, Body }));
      t.equal(ETag, `"${md5(Body)}"`);
      Parts.push({ PartNumber, ETag });
    }
    const seen = await client.send(new ListPartsCommand({ Bucket, Key: 'parts', UploadId }));
    t.same(
      seen.Parts?.map(({ PartNumber, ETag }) => ({ PartNumber, ETag })),
      Parts,
    );
    const MultipartUpload = { Parts };
    const done = await client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key: 'parts', UploadId, MultipartUpload }),
    );
    const made = await read('parts');
    t.ok(made.bytes.equals(parts));
    t.equal(made.etag, done.ETag);
    const left = await client.send(new ListMultipartUploadsCommand({ Bucket })).then(
      ({ Uploads = [] }) => Uploads,
      () => [],
    );
    t.same(left, [], 'no upload is left');

    const keys = Array.from({ length: 8 }, (_, index) => `many/${index} &+é`);
    for (const Key of keys) await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    const listed = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'many/', MaxKeys: 5000 }));
    t.same(
      listed.Contents?.map(({ Key }) => Key),
      keys,
    );
    t.same(
      listed.Contents?.map(({ ETag }) => ETag),
      keys.map((key) => `"${md5(Buffer.from(key))}"`),
    );
    const deleted = await client.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }),
    );
    t.equal(deleted.Deleted?.length, keys.length);
    t.equal((await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'many/' }))).KeyCount, 0);
  });
}
