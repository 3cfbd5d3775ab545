import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../../support/gateway.ts';
import { wireClient } from '../../support/wire-client.ts';
import { STAND_IN_KEY, startStandIn } from '../../vendors/stand-in.ts';
import { run } from '../process.ts';

/** ZenML's calls by Debian's boto3, over the vendor that the setting `signature_version: s3` was meant for. */

const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('zenml-boto3.py', import.meta.url));
const { status } = await run(PYTHON, ['-c', 'import boto3']).catch(() => ({ status: null }));

if (status !== 0) t.plan(0, 'not installed: python3-boto3');
else {
  for (const [signature, addressing] of [
    ['s3', 'virtual'],
    ['none', 'auto'],
    ['s3v4', 'path'],
  ] as const) {
    t.test(`signature_version ${signature}, addressing_style ${addressing}`, { timeout: 60_000 }, async (t) => {
      const vendor = await startStandIn('oss');
      t.teardown(() => vendor.close());
      const gateway = await startTestGateway(`${CREDENTIALS}
domains: [s3.office.test]
storages:
  - name: vendor
    provider: oss
    endpoint: ${vendor.endpoint}
    protocol: http
    region: ${vendor.row.region}
    accessKey: ${STAND_IN_KEY.accessKey}
    secretKey: ${STAND_IN_KEY.secretKey}
    default: true
`);
      t.teardown(() => gateway.close());
      t.equal((await wireClient(t, { port: gateway.port }).ask('PUT', 'zenml-bkt')).status, 200);
      const env = { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY, HOME: t.testdir() };
      const endpoint = `http://s3.office.test:${gateway.port}`;
      const more = { AWS_DEFAULT_REGION: 'us-east-1' };
      const ran = await run(PYTHON, [SCRIPT, signature, addressing, endpoint, 'zenml-bkt'], {
        env: { ...env, ...more },
      });
      t.equal(ran.status, 0, ran.stderr);
    });
  }
}
