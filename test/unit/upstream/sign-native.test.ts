import t from 'tap';
import { headersOf } from '../../../src/s3/headers.ts';
import { Query } from '../../../src/s3/query.ts';
import { createSigner, type Unsigned } from '../../../src/upstream/sign.ts';
import { resolveTarget, targetFaults } from '../../../src/upstream/target.ts';
import { VENDORS } from '../../../src/upstream/vendors.ts';

const SETTINGS = {
  name: 'x',
  provider: 'oss',
  endpoint: 'oss-cn-hangzhou.aliyuncs.com',
  protocol: 'https',
  accessKey: 'ak',
  secretKey: 'sk',
} as const;

function signed(
  request: Partial<Unsigned>,
  date: string,
  keys: { accessKey?: string; secretKey?: string; sessionToken?: string } = {},
) {
  const target = resolveTarget({ ...SETTINGS, ...keys }, { signature: 'native' });
  const unsigned: Unsigned = {
    method: 'GET',
    path: '/',
    query: Query.empty,
    headers: new Map(),
    bucket: 'bucket',
    key: undefined,
    ...request,
  };
  return createSigner(target, () => new Date(date)).sign(unsigned);
}

// The vendor's own vector: test of its Swift SDK (SignerV4, header), with the time 1702743657.
t.test('the native signature is the published one', async (t) => {
  const headers = await signed(
    {
      method: 'PUT',
      key: '1234+-/123/1.txt',
      query: new Query([
        { name: 'param1', value: 'value1' },
        { name: '+param1', value: 'value3' },
        { name: '|param1', value: 'value4' },
        { name: '+param2', value: '' },
        { name: '|param2', value: '' },
        { name: 'param2', value: '' },
      ]),
      headers: headersOf({
        'x-oss-head1': 'value',
        abc: 'value',
        zabc: 'value',
        xyz: 'value',
        'content-type': 'text/plain',
      }),
    },
    '2023-12-16T16:20:57Z',
  );
  t.equal(
    headers.get('authorization'),
    'OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,Signature=e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe',
  );
  t.equal(headers.get('x-oss-date'), '20231216T162057Z');
  t.equal(headers.get('x-oss-content-sha256'), 'UNSIGNED-PAYLOAD');
});

t.test('headers of S3 go out under the service’s names', async (t) => {
  const fields = {
    'x-amz-meta-a': '1',
    'x-amz-copy-source': '/b/k',
    'x-amz-acl': 'private',
    'x-amz-server-side-encryption-aws-kms-key-id': 'id',
    range: 'bytes=0-1',
  };
  const date = '2026-01-01T00:00:00Z';
  const onObject = await signed({ key: 'k', headers: headersOf(fields) }, date, { sessionToken: 'TOKEN' });
  t.match(Object.fromEntries(onObject), {
    'x-oss-meta-a': '1',
    'x-oss-copy-source': '/b/k',
    'x-oss-object-acl': 'private',
    'x-oss-server-side-encryption-key-id': 'id',
    'x-oss-security-token': 'TOKEN',
    range: 'bytes=0-1',
  });
  t.notMatch([...onObject.keys()].join(), 'x-amz-');
  t.equal((await signed({ headers: headersOf(fields) }, date)).get('x-oss-acl'), 'private');
});

t.test('it is refused where the row has none', (t) => {
  const message = 'native is not accepted by ceph; use v4 or v2';
  t.match(targetFaults({ ...SETTINGS, provider: 'ceph' }, { signature: 'native' }), [
    { setting: 'signature', message },
  ]);
  t.match(targetFaults({ ...SETTINGS, provider: 'ceph' }, { signature: 'native', signatures: ['native'] }), [
    { setting: 'signature', message: 'ceph has no signature of its own; use v4' },
  ]);
  t.same(targetFaults(SETTINGS, { signature: 'native' }), []);
  t.ok(VENDORS.oss.nativeSignature);
  t.end();
});
