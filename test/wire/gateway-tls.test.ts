import { once } from 'node:events';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadBucketCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { parseConfig } from '../../src/config/load.ts';
import { s3Client } from '../support/clients.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { type Certificate, selfSigned } from '../support/self-signed.ts';

/** HTTPS in, with the configuration's certificate, and HTTPS out, with a CA for each storage. */

/** A folder of the test's own, empty for each name. */
function folder(t: Test, name: string): string {
  if (!existsSync(t.testdirName)) t.testdir();
  return mkdtempSync(join(t.testdirName, name));
}

function secureConfig(t: Test, { certFile, keyFile }: Certificate): string {
  return `tls: { cert: ${JSON.stringify(certFile)}, key: ${JSON.stringify(keyFile)} }
${CREDENTIALS}
storages: [{ name: local, provider: filesystem, path: ${JSON.stringify(folder(t, 'data'))}, default: true }]
`;
}

async function startSecure(t: Test, certificate: Certificate): Promise<TestGateway> {
  const gateway = await startTestGateway(secureConfig(t, certificate));
  t.teardown(() => gateway.close());
  return gateway;
}

/** A gateway whose storage is the other one, over HTTPS. */
async function startBefore(t: Test, behind: TestGateway, ca: string | undefined): Promise<TestGateway> {
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - name: behind
    provider: other
    endpoint: localhost:${behind.port}
    accessKey: ${ACCESS_KEY}
    secretKey: ${SECRET_KEY}
    retries: 0
    default: true
${ca === undefined ? '' : `    ca: ${JSON.stringify(ca)}\n`}`);
  t.teardown(() => gateway.close());
  return gateway;
}

async function shakeHands(t: Test, port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ...options });
  t.teardown(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

t.test('HTTPS in: an SDK over TLS, with the configured certificate', async (t) => {
  const certificate = await selfSigned(folder(t, 'cert'), 'localhost');
  const gateway = await startSecure(t, certificate);
  t.match(gateway.url, /^https:/);
  const client = new S3Client({
    endpoint: gateway.url.replace('127.0.0.1', 'localhost'),
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
    requestHandler: { httpsAgent: new Agent({ ca: certificate.cert }) },
  });
  t.teardown(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket: 'secure' }));
  // Over HTTPS the SDK signs no payload and sends the checksum behind it.
  await client.send(new PutObjectCommand({ Bucket: 'secure', Key: 'k', Body: 'bytes' }));
  const { Body } = await client.send(new GetObjectCommand({ Bucket: 'secure', Key: 'k' }));
  t.equal(await Body?.transformToString(), 'bytes');
});

t.test('H33 HTTP/2 is not offered, old TLS refused, and nothing is answered in the clear', async (t) => {
  const certificate = await selfSigned(folder(t, 'cert'), 'localhost');
  const { port } = await startSecure(t, certificate);
  const trust = { ca: certificate.cert };
  const socket = await shakeHands(t, port, { ...trust, ALPNProtocols: ['h2', 'http/1.1'] });
  t.equal(socket.alpnProtocol, 'http/1.1');
  t.match(socket.getProtocol(), /^TLSv1\.[23]$/);
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  await t.rejects(shakeHands(t, port, { ...trust, ...old }), /alert|protocol/i);
  const plain = connectPlain(port, '127.0.0.1');
  let answer = '';
  plain.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  plain.on('error', () => undefined);
  plain.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(plain, 'close');
  t.notMatch(answer, /Error|HTTP\/1\.1 200/);
});

t.test('a reload takes the new certificate for new connections, and a broken one not at all', async (t) => {
  const first = await selfSigned(folder(t, 'first'), 'localhost');
  const second = await selfSigned(folder(t, 'second'), 'localhost');
  const gateway = await startSecure(t, first);
  const parse = (text: string) => parseConfig(text, 'test', { env: {}, readFile: () => '' });
  const shows = async ({ cert }: Certificate) =>
    (await shakeHands(t, gateway.port, { ca: cert })).getPeerX509Certificate()?.toString() === cert;
  t.ok(await shows(first));
  await gateway.reload(parse(secureConfig(t, second)));
  t.ok(await shows(second));
  const client = new S3Client({
    endpoint: gateway.url.replace('127.0.0.1', 'localhost'),
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
    requestHandler: { httpsAgent: new Agent({ ca: second.cert }) },
  });
  t.teardown(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket: 'kept' }));
  const mixed = { ...first, keyFile: second.keyFile };
  await t.rejects(gateway.reload(parse(secureConfig(t, mixed))), /key values mismatch/);
  writeFileSync(first.certFile, 'no certificate');
  await t.rejects(gateway.reload(parse(secureConfig(t, first))), /PEM/);
  await client.send(new HeadBucketCommand({ Bucket: 'kept' }));
  t.ok(await shows(second), 'the old one stays');
});

t.test('HTTPS out: the CA of the storage vouches, and nothing else does', async (t) => {
  const good = await selfSigned(folder(t, 'good'), 'localhost');
  const stranger = await selfSigned(folder(t, 'stranger'), 'localhost');
  const behind = await startSecure(t, good);
  const trusted = s3Client(t, (await startBefore(t, behind, good.certFile)).url);
  await trusted.send(new CreateBucketCommand({ Bucket: 'secure' }));
  await trusted.send(new PutObjectCommand({ Bucket: 'secure', Key: 'k', Body: 'bytes' }));
  const { Body } = await trusted.send(new GetObjectCommand({ Bucket: 'secure', Key: 'k' }));
  t.equal(await Body?.transformToString(), 'bytes');

  const expired = await selfSigned(folder(t, 'expired'), 'localhost', -1);
  const misnamed = await selfSigned(folder(t, 'misnamed'), 'elsewhere.example');
  const cases: readonly (readonly [why: string, server: Certificate, ca: string | undefined, code: RegExp])[] = [
    ['without a CA', good, undefined, /SELF_SIGNED/],
    ["with another's CA", good, stranger.certFile, /SELF_SIGNED|UNABLE_TO_VERIFY/],
    ['an expired certificate', expired, expired.certFile, /CERT_HAS_EXPIRED/],
    ['a certificate for another name', misnamed, misnamed.certFile, /ALTNAME_INVALID/],
  ];
  for (const [why, server, ca, code] of cases) {
    const refused = server === good ? behind : await startSecure(t, server);
    const before = refused.log();
    const gateway = await startBefore(t, refused, ca);
    const put = new PutObjectCommand({ Bucket: 'secure', Key: 'refused', Body: 'secret bytes' });
    const failure = await s3Client(t, gateway.url)
      .send(put)
      .catch((error: Error) => error);
    t.match(failure, { name: 'ServiceUnavailable', $metadata: { httpStatusCode: 503 } }, why);
    t.match(gateway.log(), code, `${why}: the log says it`);
    t.equal(refused.log(), before, `${why}: nothing was sent`);
  }
});

t.test('a certificate that cannot be read starts nothing', async (t) => {
  const certificate = await selfSigned(folder(t, 'cert'), 'localhost');
  await t.rejects(startTestGateway(secureConfig(t, { ...certificate, certFile: '/nowhere/cert.pem' })), {
    code: 'ENOENT',
  });
  writeFileSync(certificate.keyFile, 'no key');
  await t.rejects(startTestGateway(secureConfig(t, certificate)));
});
