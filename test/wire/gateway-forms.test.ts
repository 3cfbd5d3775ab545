import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import t, { type Test } from 'tap';
import { s3Client } from '../support/clients.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { type PostForm, postForm } from '../support/post-form.ts';
import { exchange } from '../support/raw-socket.ts';

/** Forms and presigned URLs, over sockets, through the whole gateway. */

const ADMIN = { accessKey: 'ADMINKEY', secretKey: 'secret-of-the-admin' };
const READER = { accessKey: 'READERKEY', secretKey: 'secret-of-the-reader' };
const TEAM = { accessKey: 'TEAMKEY', secretKey: 'secret-of-the-team' };

async function start(t: Test, trustedProxies: readonly string[] = []): Promise<TestGateway> {
  const gateway = await startTestGateway(`domains: [localhost, s3.office.example]
trustedProxies: ${JSON.stringify(trustedProxies)}
credentials:
  - { name: admin, accessKey: ${ADMIN.accessKey}, secretKey: ${ADMIN.secretKey}, signatures: [v4, v2] }
  - { name: reader, accessKey: ${READER.accessKey}, secretKey: ${READER.secretKey}, signatures: [v4, v2], access: [{ bucket: "*", allow: [read, list] }] }
  - { name: team, accessKey: ${TEAM.accessKey}, secretKey: ${TEAM.secretKey}, access: [{ bucket: box, prefix: team/, allow: [write] }] }
storages: [{ name: local, provider: filesystem, path: ${JSON.stringify(t.testdir())}, default: true }]
buckets: [{ name: box, storage: local, bucket: real-box, prefix: inner/ }]
`);
  t.teardown(() => gateway.close());
  const client = s3Client(t, gateway.url, ADMIN);
  for (const Bucket of ['box', 'other']) await client.send(new CreateBucketCommand({ Bucket }));
  return gateway;
}

async function keysOf(t: Test, gateway: TestGateway, bucket: string): Promise<string[]> {
  const { Contents = [] } = await s3Client(t, gateway.url, ADMIN).send(new ListObjectsV2Command({ Bucket: bucket }));
  return Contents.map(({ Key = '' }) => Key);
}

function send(gateway: TestGateway, form: PostForm, target = '/box', host = `127.0.0.1:${gateway.port}`) {
  const fields = Object.entries({ host, ...form.headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return exchange(
    gateway.port,
    Buffer.concat([Buffer.from(`POST ${target} HTTP/1.1\r\n${fields.join('')}\r\n`), form.body]),
  );
}

t.test('V10 B12 B14 a form may do what its signer may, and leaves nothing where it may not', async (t) => {
  const gateway = await start(t);
  const form = (by: typeof ADMIN, key: string, more: Partial<Parameters<typeof postForm>[0]> = {}) =>
    postForm({ ...by, time: new Date(), bucket: 'box', fields: { key }, file: 'content', ...more });
  t.equal((await send(gateway, form(ADMIN, 'by-v4'))).status, 204);
  t.equal((await send(gateway, form(ADMIN, 'by-v2', { version: 'v2' }))).status, 204, 'V10');
  t.equal((await send(gateway, form(TEAM, 'team/own'))).status, 204);
  const refused: readonly (readonly [title: string, code: string, form: PostForm, target?: string])[] = [
    ['B12 a reader', 'AccessDenied', form(READER, 'by-reader')],
    ['B12 a reader by V2', 'AccessDenied', form(READER, 'by-reader', { version: 'v2' })],
    ['V11 V2 where only V4 is listed', 'InvalidRequest', form(TEAM, 'team/v2', { version: 'v2' })],
    ['B14 outside the scope', 'AccessDenied', form(TEAM, 'other/x')],
    ['B14 beside the scope', 'AccessDenied', form(TEAM, 'team')],
    ['B14 a dot segment', 'InvalidURI', form(TEAM, 'team/../x')],
    ['B14 a dot segment of anybody', 'InvalidURI', form(ADMIN, '../x')],
    ['B14 a backslash', 'InvalidURI', form(ADMIN, 'team\\..\\x')],
    ['B11 a file name that climbs', 'InvalidURI', form(ADMIN, '../${filename}', { filename: 'x' })],
    ['B10 another bucket in the URL', 'AccessDenied', form(ADMIN, 'x'), '/other'],
    ['B07 another secret', 'SignatureDoesNotMatch', form({ ...ADMIN, secretKey: 'wrong-secret-key' }, 'x')],
    ['B04 too short', 'EntityTooSmall', form(ADMIN, 'x', { conditions: [['content-length-range', 8, 9]] })],
    ['B04 too long', 'EntityTooLarge', form(ADMIN, 'x', { conditions: [['content-length-range', 0, 6]] })],
    ['B05 expired', 'AccessDenied', form(ADMIN, 'x', { time: new Date(Date.now() - 120_000) })],
  ];
  for (const [title, code, sent, target] of refused) {
    const answer = await send(gateway, sent, target);
    t.equal(answer.code, code, `${title}\n${answer.text}`);
    t.notMatch(answer.text, /real-box|inner\//, title);
  }
  const climbed = await send(gateway, form(ADMIN, 'up/${filename}', { filename: '../../etc/passwd' }));
  t.equal(climbed.status, 204, 'B11 only the last segment of a file name counts');
  t.same(await keysOf(t, gateway, 'box'), ['by-v2', 'by-v4', 'team/own', 'up/passwd']);
  t.same(await keysOf(t, gateway, 'real-box'), ['inner/by-v2', 'inner/by-v4', 'inner/team/own', 'inner/up/passwd']);
  t.same(await keysOf(t, gateway, 'other'), []);
});

t.test('a form that names where to go, and a virtual-hosted one, tell client names only', async (t) => {
  const gateway = await start(t);
  const by = { ...ADMIN, time: new Date(), bucket: 'box', file: 'x' };
  const created = await send(gateway, postForm({ ...by, fields: { key: 'a b', success_action_status: '201' } }));
  t.equal(created.status, 201);
  t.match(created.text, `<Location>http://127.0.0.1:${gateway.port}/box/a%20b</Location>`);
  t.match(created.text, '<Bucket>box</Bucket><Key>a b</Key>');
  const redirect = { key: 'c', success_action_redirect: 'http://office.example/done?x=1' };
  const moved = await send(gateway, postForm({ ...by, fields: redirect }), '/', 'box.s3.office.example');
  t.equal(moved.status, 303);
  t.match(moved.text, /location: http:\/\/office\.example\/done\?x=1&bucket=box&key=c&etag=/i);
  t.notMatch(created.text + moved.text, /real-box|inner/);
});

/** Fetches a URL from the gateway's port under another Host, as DNS or a balancer would bring it. */
async function fetchAs(gateway: TestGateway, url: string, fields: Readonly<Record<string, string>>) {
  const { pathname, search } = new URL(url);
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return exchange(gateway.port, `GET ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n`);
}

t.test('P12 A22 A23 a presigned URL that names another host', async (t) => {
  const plain = await start(t);
  const trusting = await start(t, ['127.0.0.0/8']);
  for (const gateway of [plain, trusting]) {
    await s3Client(t, gateway.url, ADMIN).send(new PutObjectCommand({ Bucket: 'box', Key: 'k', Body: 'bytes' }));
    const here = `127.0.0.1:${gateway.port}`;
    const isTrusting = gateway === trusting;
    const url = async (endpoint: string, forcePathStyle: boolean) => {
      const client = s3Client(t, endpoint, ADMIN);
      client.config.forcePathStyle = forcePathStyle;
      return getSignedUrl(client, new GetObjectCommand({ Bucket: 'box', Key: 'k' }));
    };
    const configured = await url('https://s3.office.example', true);
    const virtual = await url('https://s3.office.example', false);
    const foreign = await url('https://s3.elsewhere.example', true);
    t.match(virtual, /^https:\/\/box\.s3\.office\.example\/k\?/);
    const cases: readonly (readonly [title: string, url: string, fields: Record<string, string>, status: number])[] = [
      ['a configured host', configured, { host: 's3.office.example' }, 200],
      ['a configured host, arriving under ours', configured, { host: here }, 200],
      ['virtual-hosted', virtual, { host: 'box.s3.office.example' }, 200],
      ['virtual-hosted with a port of the proxy’s', virtual, { host: 'box.s3.office.example:443' }, 200],
      ['a host of nobody’s', foreign, { host: here }, 403],
      ['told by a proxy', foreign, { host: here, 'X-Forwarded-Host': 's3.elsewhere.example' }, isTrusting ? 200 : 403],
      [
        'a bucket told by a proxy',
        virtual,
        { host: here, 'X-Forwarded-Host': 'box.s3.office.example' },
        isTrusting ? 200 : 400,
      ],
      ['another bucket under the same signature', virtual, { host: 'other.s3.office.example' }, 403],
      ['P12 another host of ours for a virtual one', virtual, { host: 'box.localhost' }, isTrusting ? 200 : 200],
    ];
    for (const [title, signed, fields, status] of cases) {
      const answer = await fetchAs(gateway, signed, fields);
      t.equal(answer.status, status, `${title}, ${isTrusting ? 'trusting' : 'not trusting'}\n${answer.text}`);
      if (status === 200) t.match(answer.text, /\r\n\r\nbytes$/, title);
    }
  }
});
