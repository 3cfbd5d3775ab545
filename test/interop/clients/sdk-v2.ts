import { lookup } from 'node:dns';
import { once } from 'node:events';
import { createReadStream, readFileSync } from 'node:fs';
import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import S3 from 'aws-sdk/clients/s3.js';
import { packageVersion } from '../process.ts';
import { type ClientScenario, LARGE, plantRandom, TREE } from '../scenario.ts';

const MiB = 2 ** 20;

/** The old AWS SDK for JavaScript, with both signatures and both ways to address a bucket. */
export const sdkV2Clients: readonly ClientScenario[] = (['v4', 'v2'] as const).flatMap((signature) =>
  (['path', 'virtual'] as const).map(
    (addressing): ClientScenario => ({
      name: `aws-sdk 2 ${signature}, ${addressing} style`,
      program: undefined,
      version: () => packageVersion('aws-sdk'),
      async run(t, { endpoint, accessKey, secretKey, folder, bucket, large: size = LARGE, direct }) {
        // RFC 6761 gives *.localhost to this machine, but not every resolver knows.
        const agent = new Agent({
          keepAlive: true,
          lookup: (host, options, callback) =>
            lookup(host.endsWith('.localhost') ? '127.0.0.1' : host, options, callback),
        });
        t.teardown(() => agent.destroy());
        const s3 = new S3({
          endpoint: endpoint.replace('127.0.0.1', 'localhost'),
          accessKeyId: accessKey,
          secretAccessKey: secretKey,
          region: direct?.region ?? 'us-east-1',
          signatureVersion: signature,
          s3ForcePathStyle: (direct?.addressing ?? addressing) === 'path',
          maxRetries: 0,
          httpOptions: { agent },
        });
        const place = (Key: string) => ({ Bucket: bucket, Key });
        const get = async (Key: string, Range?: string) => {
          const { Body } = await s3.getObject({ ...place(Key), ...(Range && { Range }) }).promise();
          return Buffer.from(Body as Buffer); // In Node it is always one.
        };

        await s3.createBucket({ Bucket: bucket }).promise();
        const { Buckets = [] } = await s3.listBuckets().promise();
        t.ok(Buckets.some(({ Name }) => Name === bucket));
        await s3.getBucketLocation({ Bucket: bucket }).promise();
        for (const [key, Body] of Object.entries(TREE)) {
          await s3.putObject({ ...place(key), Body, ContentType: 'text/x-test', Metadata: { who: 'me' } }).promise();
          t.equal((await get(key)).toString(), Body, key);
        }
        t.match(await s3.headObject(place('plain.txt')).promise(), {
          ContentType: 'text/x-test',
          ContentLength: 5,
          Metadata: { who: 'me' },
        });
        const sorted = Object.keys(TREE).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        const { Contents = [] } = await s3.listObjectsV2({ Bucket: bucket }).promise();
        t.strictSame(
          Contents.map(({ Key }) => Key),
          sorted,
        );
        const first = await s3.listObjects({ Bucket: bucket, MaxKeys: 2, Prefix: '', Delimiter: '/' }).promise();
        t.match(first, { IsTruncated: true, CommonPrefixes: [{ Prefix: 'deep/' }], Contents: [{ Key: 'empty.bin' }] });

        const part = (size < LARGE ? 5 : 8) * MiB;
        const path = join(folder, 'large.bin');
        plantRandom(path, size);
        await s3.upload({ ...place('large'), Body: createReadStream(path) }, { partSize: part }).promise();
        t.ok((await get('large')).equals(readFileSync(path)));
        const across = await get('large', `bytes=${part - 8}-${part + 7}`);
        t.ok(across.equals(readFileSync(path).subarray(part - 8, part + 8)));

        await s3.copyObject({ ...place('copy'), CopySource: encodeURI(`/${bucket}/ünï/测试.txt`) }).promise();
        t.equal((await get('copy')).toString(), 'unicode');
        t.equal(await codeOf(s3.getObject(place('absent')).promise()), 'NoSuchKey');
        t.equal(await codeOf(s3.deleteBucket({ Bucket: bucket }).promise()), 'BucketNotEmpty');

        const url = s3.getSignedUrl('getObject', { ...place('with space.txt'), Expires: 60 });
        t.strictSame(await ask(agent, 'GET', url), { status: 200, text: 'space' });
        t.match(await ask(agent, 'PUT', url, 'x'), { status: 403 });
        const put = s3.getSignedUrl('putObject', { ...place('by url'), Expires: 60, ContentType: 'text/plain' });
        t.match(await ask(agent, 'PUT', put, 'by url', { 'content-type': 'text/plain' }), { status: 200 });
        t.equal((await get('by url')).toString(), 'by url');

        const keys = [...sorted, 'large', 'copy', 'by url', 'absent'];
        const gone = await s3
          .deleteObjects({ Bucket: bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } })
          .promise();
        t.equal(gone.Deleted?.length, keys.length);
        t.strictSame(gone.Errors ?? [], []);
        await s3.deleteBucket({ Bucket: bucket }).promise();
      },
    }),
  ),
);

async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'none',
    (error: { readonly code?: unknown }) => error.code,
  );
}

/** What `fetch` cannot do: a URL whose host name this machine's resolver may not know. */
async function ask(agent: Agent, method: string, url: string, body = '', headers: OutgoingHttpHeaders = {}) {
  const sent = request(url, { agent, method, headers: { ...headers, 'content-length': Buffer.byteLength(body) } });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, text: await text(answer) };
}
