import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { azureConfig, azureGateway } from '../support/azure-gateway.ts';
import { startAzurite } from '../support/azurite.ts';
import { s3Client } from '../support/clients.ts';
import { generatedBytes } from '../support/generated.ts';
import { sluice } from '../support/sluice-process.ts';

const MiB = 2 ** 20;
const azurite = await startAzurite();
t.teardown(() => azurite.stop());

const place = (Key: string) => ({ Bucket: 'uploads', Key });

async function sendPart(client: S3Client, key: string, UploadId: string, PartNumber: number, Body: Buffer) {
  const { ETag } = await client.send(new UploadPartCommand({ ...place(key), UploadId, PartNumber, Body }));
  return { PartNumber, ETag };
}

async function read(client: S3Client, key: string): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand(place(key)));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // Listening on TCP gives an AddressInfo.
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

await t.test('an upload goes on after the gateway was killed in the middle of a part', async (t) => {
  const config = join(t.testdir(), 'sluice.yaml');
  const port = await freePort();
  const listen = `listen: 127.0.0.1:${port}\nadmin: { listen: "127.0.0.1:0" }\n`;
  writeFileSync(config, listen + azureConfig(azurite));
  const first = sluice(['serve', '--config', config]);
  t.teardown(() => void first.child.kill('SIGKILL'));
  await first.until(/listens on|"listening"/);
  const client = s3Client(t, `http://127.0.0.1:${port}`);
  await client.send(new CreateBucketCommand({ Bucket: 'uploads' }));
  const { UploadId = '' } = await client.send(
    new CreateMultipartUploadCommand({ ...place('big'), ContentType: 'a/b', Metadata: { 'with-hyphen': 'a  b' } }),
  );
  const bodies = [1, 2, 3].map((seed) => generatedBytes(6 * MiB, seed));
  const [one = Buffer.alloc(0), two = Buffer.alloc(0), three = Buffer.alloc(0)] = bodies;
  const parts = [await sendPart(client, 'big', UploadId, 1, one)];
  const broken = sendPart(client, 'big', UploadId, 2, generatedBytes(40 * MiB, 9));
  const refused = t.rejects(broken);
  first.child.kill('SIGKILL');
  await Promise.all([refused, first.exited]);

  const second = sluice(['serve', '--config', config]);
  t.teardown(() => void second.child.kill('SIGKILL'));
  await second.until(/listens on|"listening"/);
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'uploads' }));
  t.same(
    Uploads.map((upload) => [upload.Key, upload.UploadId]),
    [['big', UploadId]],
  );
  const listed = await client.send(new ListPartsCommand({ ...place('big'), UploadId }));
  t.same(
    listed.Parts?.map((part) => [part.PartNumber, part.ETag, part.Size]),
    [[1, parts[0]?.ETag, 6 * MiB]],
    'the part that broke off is none',
  );
  parts.push(await sendPart(client, 'big', UploadId, 2, two), await sendPart(client, 'big', UploadId, 3, three));
  const done = { ...place('big'), UploadId, MultipartUpload: { Parts: parts } };
  t.match((await client.send(new CompleteMultipartUploadCommand(done))).ETag, /-3"$/);
  const { Body, Metadata, ContentType } = await client.send(new GetObjectCommand(place('big')));
  t.ok(Buffer.from((await Body?.transformToByteArray()) ?? []).equals(Buffer.concat(bodies)));
  t.same([ContentType, Metadata], ['a/b', { 'with-hyphen': 'a  b' }]);
});

await t.test('two gateways take two uploads of one key, and writes to it, at the same time', async (t) => {
  const clients = await Promise.all([1, 2].map(async () => s3Client(t, (await azureGateway(t, azurite)).url)));
  const [a, b] = clients;
  if (a === undefined || b === undefined) throw new Error('two clients');
  const begun = await Promise.all(clients.map((each) => each.send(new CreateMultipartUploadCommand(place('shared')))));
  const ids = begun.map(({ UploadId = '' }) => UploadId);
  const bodyOf = (upload: number, part: number) => generatedBytes(part === 3 ? 1000 : 5 * MiB, upload * 10 + part);
  const sent = await Promise.all(
    clients.map(async (client, upload) => {
      const parts: Awaited<ReturnType<typeof sendPart>>[] = [];
      for (const part of [1, 2, 3]) {
        // The other one's gateway knows of each upload as much as its own.
        const via = part === 2 ? clients[1 - upload] : client;
        parts.push(await sendPart(via ?? client, 'shared', ids[upload] ?? '', part, bodyOf(upload, part)));
        await client.send(new PutObjectCommand({ ...place('shared'), Body: `in between ${upload} ${part}` }));
      }
      return parts;
    }),
  );
  t.match((await read(a, 'shared')).toString(), /^in between/);
  const complete = (upload: number) =>
    clients[upload]?.send(
      new CompleteMultipartUploadCommand({
        ...place('shared'),
        UploadId: ids[upload],
        MultipartUpload: { Parts: sent[upload] },
      }),
    );
  await complete(0);
  const wholeOf = (upload: number) => Buffer.concat([1, 2, 3].map((part) => bodyOf(upload, part)));
  t.ok((await read(b, 'shared')).equals(wholeOf(0)));
  await complete(1);
  t.ok((await read(a, 'shared')).equals(wholeOf(1)), 'the last to complete stands');
  const { Uploads } = await a.send(new ListMultipartUploadsCommand({ Bucket: 'uploads' }));
  t.notOk(Uploads);

  const { UploadId } = await a.send(new CreateMultipartUploadCommand(place('shared')));
  await b.send(new AbortMultipartUploadCommand({ ...place('shared'), UploadId }));
  await t.rejects(a.send(new ListPartsCommand({ ...place('shared'), UploadId })), { name: 'NoSuchUpload' });
  t.ok((await read(a, 'shared')).equals(wholeOf(1)), 'what was aborted leaves the object alone');
});
