import { once } from 'node:events';
import { connect } from 'node:net';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import t, { type Test } from 'tap';
import { parseConfig } from '../../src/config/load.ts';
import { s3Client } from '../support/clients.ts';
import { CREDENTIALS, startTestGateway } from '../support/gateway.ts';

/** Two folders; the bucket `moving` lies on one of them. */
function configOf(folder: string, storage: 'old' | 'new', more = ''): string {
  return `${CREDENTIALS}
storages:
  - { name: old, provider: filesystem, path: "${folder}/old", default: true${more} }
  - { name: new, provider: filesystem, path: "${folder}/new" }
buckets: [{ name: moving, storage: ${storage}, bucket: real-name }]
`;
}

const parse = (text: string) => parseConfig(text, 'test', { env: {}, readFile: () => '' });

async function start(test: Test) {
  const folder = test.testdir();
  const gateway = await startTestGateway(configOf(folder, 'old'));
  test.teardown(() => gateway.close());
  const client = s3Client(test, gateway.url);
  // Buckets behind an alias are the operator's: made here under the storages' own names.
  await client.send(new CreateBucketCommand({ Bucket: 'real-name' }));
  const onNew = parse(
    configOf(folder, 'old').replace(', default: true', '').replace('/new" }', '/new", default: true }'),
  );
  await gateway.reload(onNew);
  await client.send(new CreateBucketCommand({ Bucket: 'real-name' }));
  await gateway.reload(parse(configOf(folder, 'old')));
  return { folder, gateway, client };
}

t.test('R38 a hundred reloads under load fail no request', async (t) => {
  const { folder, gateway, client } = await start(t);
  let isDone = false;
  let requests = 0;
  const loops = [1, 2, 3, 4].map(async (loop) => {
    for (; !isDone; requests += 2) {
      await client.send(new PutObjectCommand({ Bucket: 'moving', Key: `key-${loop}`, Body: `${requests}` }));
      await client.send(new ListObjectsV2Command({ Bucket: 'moving' }));
    }
  });
  for (let round = 0; round < 100; round++)
    await gateway.reload(parse(configOf(folder, round % 2 === 0 ? 'new' : 'old')));
  isDone = true;
  await Promise.all(loops);
  t.ok(requests > 0);
});

/** An upload of five bytes to `moving`, of which the gateway has asked for the first. */
async function beginUpload(
  test: Test,
  { gateway, client }: Pick<Awaited<ReturnType<typeof start>>, 'gateway' | 'client'>,
) {
  const url = await getSignedUrl(client, new PutObjectCommand({ Bucket: 'moving', Key: 'slow' }));
  const socket = connect(gateway.port, '127.0.0.1');
  test.teardown(() => socket.destroy());
  const target = url.slice(gateway.url.length);
  socket.write(
    `PUT ${target} HTTP/1.1\r\nHost: 127.0.0.1:${gateway.port}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`,
  );
  test.match(String((await once(socket, 'data'))[0]), '100 Continue', 'the gateway is at work on it');
  return socket;
}

t.test('a request under way keeps the configuration it began with', async (t) => {
  const { folder, gateway, client } = await start(t);
  const socket = await beginUpload(t, { gateway, client });
  const reloaded = gateway.reload(parse(configOf(folder, 'new')));
  socket.write('hello');
  t.match(String((await once(socket, 'data'))[0]), '200 OK');
  await reloaded;
  await t.rejects(client.send(new GetObjectCommand({ Bucket: 'moving', Key: 'slow' })), { name: 'NoSuchKey' });
  await gateway.reload(parse(configOf(folder, 'old')));
  t.equal((await client.send(new GetObjectCommand({ Bucket: 'moving', Key: 'slow' }))).ContentLength, 5);
});

t.test('a reload waits for nobody: the next may come while a request is under way', async (t) => {
  const { folder, gateway, client } = await start(t);
  const socket = await beginUpload(t, { gateway, client });
  const onlyNew = `${CREDENTIALS}
storages: [{ name: new, provider: filesystem, path: "${folder}/new" }]
buckets: [{ name: moving, storage: new, bucket: real-name }]
`;
  await gateway.reload(parse(onlyNew));
  await t.rejects(client.send(new GetObjectCommand({ Bucket: 'moving', Key: 'slow' })), { name: 'NoSuchKey' });
  await gateway.reload(parse(configOf(folder, 'old')));
  socket.write('hello');
  t.match(String((await once(socket, 'data'))[0]), '200 OK');
  const read = await client.send(new GetObjectCommand({ Bucket: 'moving', Key: 'slow' }));
  t.equal(read.ContentLength, 5, 'the storage that is back is the one that was never left');
});

t.test('M13 R39 a configuration that cannot be opened leaves the old one at work', async (t) => {
  const { folder, gateway, client } = await start(t);
  const broken = parse(configOf(folder, 'new').replace(`${folder}/new`, '/dev/null/nowhere'));
  await t.rejects(gateway.reload(broken), { code: 'ENOTDIR' });
  await client.send(new PutObjectCommand({ Bucket: 'moving', Key: 'k', Body: 'x' }));
  t.pass('the bucket still answers');
});
