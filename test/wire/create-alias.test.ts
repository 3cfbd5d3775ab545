import t from 'tap';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../support/gateway.ts';
import { wireClient } from '../support/wire-client.ts';

/** Sluice over its own store stands for a service that holds every hash against the bytes that came. */
t.test('a bucket of the configuration is made with the document that clients of other regions send', async (t) => {
  const vendor = await startTestGateway(
    `${CREDENTIALS}\nstorages: [{ name: local, provider: filesystem, path: ${t.testdir()}, default: true }]`,
  );
  t.teardown(() => vendor.close());
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - { name: far, provider: other, endpoint: "127.0.0.1:${vendor.port}", protocol: http, addressing: path,
      accessKey: ${ACCESS_KEY}, secretKey: ${SECRET_KEY}, region: us-east-1 }
buckets:
  - { name: alias, storage: far, bucket: real }
  - { name: pooled, storage: far, pool: { size: 2, key: 2, bucket: "pool-{n}" } }
`);
  t.teardown(() => gateway.close());
  const client = wireClient(t, { port: gateway.port });
  const body = Buffer.from(
    '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>',
  );
  for (const bucket of ['alias', 'pooled']) {
    const made = await client.ask('PUT', bucket, undefined, { body });
    t.equal(made.status, 200, `${bucket}: ${made.body}`);
    const again = await client.ask('PUT', bucket, undefined, { body });
    t.equal(again.code, 'BucketAlreadyOwnedByYou', bucket);
  }
  const direct = wireClient(t, { port: vendor.port });
  for (const bucket of ['real', 'pool-0', 'pool-1']) t.equal((await direct.ask('HEAD', bucket)).status, 200, bucket);
  const trailer = await client.ask('PUT', 'alias', undefined, {
    body,
    headers: { 'x-amz-checksum-crc32': 'AAAAAA==' },
  });
  t.equal(trailer.status, 400, 'what is wrong with the document is still said');
});
