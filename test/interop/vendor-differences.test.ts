import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  HeadObjectCommand,
  ListObjectsCommand,
  type ListObjectsCommandOutput,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { s3Client } from '../support/clients.ts';
import { CREDENTIALS, startTestGateway } from '../support/gateway.ts';
import { STAND_INS, type StandInName } from '../vendors/rows.ts';
import { STAND_IN_KEY, type StandIn, startStandIn } from '../vendors/stand-in.ts';

const Bucket = 'differences-1250000000';
const NAMES = Object.keys(STAND_INS).filter(
  (name): name is StandInName => process.env.VENDOR === undefined || process.env.VENDOR.split(',').includes(name),
);

const KEYS = ['a b', 'a+b', 'a%2Fb', 'a&<b>', 'dir/1', 'dir/2', 'dir/sub/3', 'dür/测试', 'z~', "z'()*!"];
const SORTED = KEYS.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

async function gatewayTo(t: Test, standIn: StandIn, name: StandInName, secretKey = STAND_IN_KEY.secretKey) {
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - name: vendor
    provider: ${name}
    endpoint: ${standIn.endpoint}
    protocol: http
    region: ${standIn.row.region}
    accessKey: ${STAND_IN_KEY.accessKey}
    secretKey: ${secretKey}
    default: true
`);
  t.teardown(() => gateway.close());
  return gateway;
}

for (const name of NAMES) {
  t.test(`what ${name} does differently is made up`, async (t) => {
    const standIn = await startStandIn(name);
    t.teardown(() => standIn.close());
    standIn.buckets.set(Bucket, { created: new Date(), objects: new Map(), uploads: new Map() });
    const gateway = await gatewayTo(t, standIn, name);
    const client = s3Client(t, gateway.url);
    for (const Key of KEYS) await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    await listings(t, client);
    await conditions(t, client);
    await client.send(
      new CopyObjectCommand({
        Bucket,
        Key: 'copy',
        CopySource: `${Bucket}/${encodeURIComponent('a%2Fb')}`,
        Metadata: { a: 'b' },
        MetadataDirective: 'REPLACE',
      }),
    );
    t.match(await client.send(new HeadObjectCommand({ Bucket, Key: 'copy' })), {
      Metadata: { a: 'b' },
      ContentLength: 5,
    });
    await probes(t, client);

    const Objects = Array.from({ length: 1000 }, (_, index) => ({ Key: `many/${index}` }));
    const gone = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    t.strictSame([gone.Deleted?.length, gone.Errors ?? []], [1000, []], 'a thousand keys at once');

    const stranger = await gatewayTo(t, standIn, name, 'wrong');
    const failed = await s3Client(t, stranger.url)
      .send(new PutObjectCommand({ Bucket, Key: 'x', Body: 'x' }))
      .then(
        () => 'stored',
        (error: Error) => JSON.stringify(error) + error.message,
      );
    t.notMatch(
      failed,
      new RegExp(`${STAND_IN_KEY.accessKey}|aws4_request|stored|${standIn.row.host}`),
      'nothing of the account gets out',
    );
  });
}

async function listings(t: Test, client: S3Client): Promise<void> {
  const all: string[] = [];
  for await (const page of paginateListObjectsV2({ client, pageSize: 3 }, { Bucket, EncodingType: 'url' })) {
    t.equal(page.KeyCount, (page.Contents ?? []).length);
    t.equal(page.EncodingType, 'url');
    all.push(...(page.Contents ?? []).map(({ Key = '' }) => decodeURIComponent(Key.replaceAll('+', ' '))));
    if (all.length > 2 * KEYS.length) break;
  }
  t.strictSame(all, SORTED, 'V2 in pages');
  const old: string[] = [];
  for (let Marker: string | undefined = ''; Marker !== undefined && old.length <= 2 * KEYS.length; ) {
    const page: ListObjectsCommandOutput = await client.send(new ListObjectsCommand({ Bucket, MaxKeys: 3, Marker }));
    old.push(...(page.Contents ?? []).map(({ Key = '' }) => Key));
    Marker = page.IsTruncated ? (page.NextMarker ?? old.at(-1)) : undefined;
  }
  t.strictSame(old, SORTED, 'V1 in pages');
  const groups: string[] = [];
  for await (const page of paginateListObjectsV2(
    { client, pageSize: 2 },
    { Bucket, Delimiter: '/', StartAfter: 'a b' },
  )) {
    groups.push(...(page.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix));
    groups.push(...(page.Contents ?? []).map(({ Key = '' }) => Key));
    if (groups.length > 2 * KEYS.length) break;
  }
  t.strictSame(groups.sort(), ['a%2Fb', 'a&<b>', 'a+b', 'dir/', 'dür/', "z'()*!", 'z~'].sort(), 'groups after a key');
}

async function conditions(t: Test, client: S3Client): Promise<void> {
  const Key = 'a b';
  const refuses = async (what: Promise<unknown>, title: string): Promise<void> => {
    const said = await what.then(
      () => 'written over',
      ({ name }: Error) => name,
    );
    t.match(said, /^(PreconditionFailed|NotImplemented)$/, title);
  };
  await refuses(client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', IfNoneMatch: '*' })), 'If-None-Match');
  await refuses(client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', IfMatch: '"0"' })), 'If-Match');
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'x' }));
  const MultipartUpload = { Parts: [{ ETag, PartNumber: 1 }] };
  const complete = new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload, IfNoneMatch: '*' });
  await refuses(client.send(complete), 'If-None-Match on the end of an upload');
  t.equal((await client.send(new HeadObjectCommand({ Bucket, Key }))).ContentLength, Key.length, 'and it is as it was');
}

async function probes(t: Test, client: S3Client): Promise<void> {
  const location = await client.send(new GetBucketLocationCommand({ Bucket }));
  t.ok(location.$metadata.httpStatusCode === 200, 'GetBucketLocation');
  const versioning = await client.send(new GetBucketVersioningCommand({ Bucket }));
  t.equal(versioning.Status, undefined, 'GetBucketVersioning');
}
