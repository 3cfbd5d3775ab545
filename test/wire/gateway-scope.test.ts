import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { s3Client } from '../support/clients.ts';
import { startTestGateway } from '../support/gateway.ts';

/** Who may do what, over sockets, through the whole gateway on the embedded store. */

async function start(t: Test) {
  const folder = t.testdir();
  const path = (name: string) => JSON.stringify(join(folder, name));
  const gateway = await startTestGateway(`credentials:
  - { name: admin, accessKey: ADMIN, secretKey: admin-secret-key, project: red }
  - { name: red, accessKey: RED, secretKey: red-secret-key, project: red, access: [{ bucket: "*", allow: [read, list, write, delete] }] }
  - { name: a, accessKey: TEAMA, secretKey: team-a-secret-key, project: red, access: [{ bucket: box, prefix: a/, allow: [read, list, write, delete] }] }
  - { name: copier, accessKey: COPIER, secretKey: copier-secret-key, project: red, access: [{ bucket: box, prefix: in/, allow: [read] }, { bucket: box, prefix: out/, allow: [write] }] }
  - { name: blue, accessKey: BLUE, secretKey: blue-secret-key, project: blue }
storages:
  - { name: red, provider: filesystem, path: ${path('red')}, default: true, projects: [red] }
  - { name: blue, provider: filesystem, path: ${path('blue')}, bucket: blue-box, projects: [blue] }
`);
  t.teardown(() => gateway.close());
  const as = (name: string) =>
    s3Client(t, gateway.url, {
      accessKey: { a: 'TEAMA' }[name] ?? name.toUpperCase(),
      secretKey: name === 'a' ? 'team-a-secret-key' : `${name}-secret-key`,
    });
  await as('admin').send(new CreateBucketCommand({ Bucket: 'box' }));
  await as('blue').send(new CreateBucketCommand({ Bucket: 'blue-box' }));
  return { as, folder };
}

const put = (client: S3Client, Key: string, Bucket = 'box') =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));

t.test('A29 no rule reaches beyond its project', async (t) => {
  const { as } = await start(t);
  await put(as('blue'), 'k', 'blue-box');
  await put(as('red'), 'k');
  const read = as('red').send(new GetObjectCommand({ Bucket: 'blue-box', Key: 'k' }));
  // On red's own default storage that name is free: blue's bucket is not even there.
  await t.rejects(read, { name: 'NoSuchBucket' });
  await t.rejects(as('blue').send(new GetObjectCommand({ Bucket: 'box', Key: 'k' })), { name: 'AccessDenied' });
});

t.test('S19 a copy needs the source to be readable and the destination writable, each by a rule', async (t) => {
  const { as } = await start(t);
  const copier = as('copier');
  for (const key of ['in/one', 'out/one', 'other']) await put(as('admin'), key);
  const copy = (from: string, to: string) =>
    copier.send(new CopyObjectCommand({ Bucket: 'box', Key: to, CopySource: `box/${from}` }));
  await copy('in/one', 'out/two');
  for (const [from, to] of [
    ['in/one', 'in/two'],
    ['out/one', 'out/three'],
    ['other', 'out/four'],
    ['in/one', 'five'],
    ['out/one', 'in/six'],
  ] as const) {
    await t.rejects(copy(from, to), { name: 'AccessDenied' }, `${from} to ${to}`);
  }
  const { Contents = [] } = await as('admin').send(new ListObjectsV2Command({ Bucket: 'box' }));
  t.same(
    Contents.map(({ Key }) => Key),
    ['in/one', 'other', 'out/one', 'out/two'],
  );
});

t.test('S28 S29 uploads and their parts are seen within the scope only', async (t) => {
  const { as } = await start(t);
  const begin = async (client: S3Client, Key: string) => {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: 'box', Key }));
    await client.send(new UploadPartCommand({ Bucket: 'box', Key, UploadId, PartNumber: 1, Body: 'part' }));
    return { Bucket: 'box', Key, UploadId };
  };
  const own = await begin(as('a'), 'a/own');
  const foreign = await begin(as('admin'), 'b/secret');
  await t.rejects(as('a').send(new ListMultipartUploadsCommand({ Bucket: 'box' })), { name: 'AccessDenied' });
  await t.rejects(as('a').send(new ListMultipartUploadsCommand({ Bucket: 'box', Prefix: 'b/' })), {
    name: 'AccessDenied',
  });
  await t.rejects(as('a').send(new ListMultipartUploadsCommand({ Bucket: 'box', Prefix: 'a/', KeyMarker: 'b/' })), {
    name: 'AccessDenied',
  });
  const { Uploads = [] } = await as('a').send(new ListMultipartUploadsCommand({ Bucket: 'box', Prefix: 'a/' }));
  t.same(
    Uploads.map(({ Key, UploadId }) => [Key, UploadId]),
    [[own.Key, own.UploadId]],
  );
  t.equal((await as('a').send(new ListPartsCommand(own))).Parts?.length, 1);
  await t.rejects(as('a').send(new ListPartsCommand(foreign)), { name: 'AccessDenied' });
  await t.rejects(as('a').send(new ListPartsCommand({ ...foreign, Key: own.Key })), { name: 'NoSuchUpload' });
  await t.rejects(as('a').send(new UploadPartCommand({ ...foreign, Key: own.Key, PartNumber: 2, Body: 'x' })), {
    name: 'NoSuchUpload',
  });
});

t.test('S22 names of our own bookkeeping are names like any other', async (t) => {
  const { as, folder } = await start(t);
  const files = readdirSync(join(folder, 'red')).filter((name) => /token|sqlite$/.test(name));
  t.ok(files.includes('token-key'));
  const secret = readFileSync(join(folder, 'red', 'token-key'), 'utf8');
  const keys = [...files, 'objects-v1/x', 'credential.json', '.sluice/x', '.minio.sys/config', '__proto__', 'null'];
  for (const Key of keys) await put(as('admin'), Key);
  for (const Bucket of ['objects-v1', 'token-key']) await as('admin').send(new CreateBucketCommand({ Bucket }));
  for (const Key of keys) {
    const { Body } = await as('admin').send(new GetObjectCommand({ Bucket: 'box', Key }));
    t.equal(await Body?.transformToString(), Key);
  }
  t.equal(readFileSync(join(folder, 'red', 'token-key'), 'utf8'), secret, 'and our file is still ours');
});
