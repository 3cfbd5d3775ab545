import t from 'tap';
import { recogniseHost } from '../../../src/upstream/endpoint.ts';
import { resolveTarget, type TargetSettings, targetFaults } from '../../../src/upstream/target.ts';
import { VENDORS, type Vendor } from '../../../src/upstream/vendors.ts';

/** Provider, host as pasted, region, bucket. From section 5 of the facts on vendors. */
const HOSTS: readonly (readonly [Vendor, string, string | undefined, string | undefined])[] = [
  ['oss', 'oss-cn-hangzhou.aliyuncs.com', 'cn-hangzhou', undefined],
  ['oss', 's3.oss-cn-hangzhou.aliyuncs.com', 'cn-hangzhou', undefined],
  ['oss', 'oss-cn-hangzhou-internal.aliyuncs.com', 'cn-hangzhou', undefined],
  ['oss', 's3.oss-cn-hangzhou-internal.aliyuncs.com', 'cn-hangzhou', undefined],
  ['oss', 'mybucket.oss-cn-beijing.aliyuncs.com', 'cn-beijing', 'mybucket'],
  ['oss', 'oss-accelerate.aliyuncs.com', undefined, undefined],
  ['oss', 'oss-accelerate-overseas.aliyuncs.com', undefined, undefined],
  ['cos', 'cos.ap-guangzhou.myqcloud.com', 'ap-guangzhou', undefined],
  ['cos', 'name-1250000000.cos.ap-guangzhou.myqcloud.com', 'ap-guangzhou', 'name-1250000000'],
  ['cos', 'cos-internal.ap-guangzhou.tencentcos.cn', 'ap-guangzhou', undefined],
  ['cos', 'cos.accelerate.myqcloud.com', undefined, undefined],
  ['kodo', 's3-cn-east-1.qiniucs.com', 'cn-east-1', undefined],
  ['kodo', 's3.cn-east-1.qiniucs.com', 'cn-east-1', undefined],
  ['obs', 'obs.cn-north-4.myhuaweicloud.com', 'cn-north-4', undefined],
  ['obs', 'a.b.obs.cn-north-4.myhuaweicloud.com', 'cn-north-4', 'a.b'],
  ['tos', 'tos-s3-cn-beijing.volces.com', 'cn-beijing', undefined],
  ['tos', 'tos-s3-cn-beijing.ivolces.com', 'cn-beijing', undefined],
  ['tos', 'tos-s3-ap-southeast-1.bytepluses.com', 'ap-southeast-1', undefined],
  ['aws', 's3.eu-west-1.amazonaws.com', 'eu-west-1', undefined],
  ['aws', 'bucket.s3.eu-west-1.amazonaws.com', 'eu-west-1', 'bucket'],
  ['aws', 's3.cn-north-1.amazonaws.com.cn', 'cn-north-1', undefined],
  ['aws', 's3.amazonaws.com', 'us-east-1', undefined],
  ['aws', 's3-accelerate.amazonaws.com', undefined, undefined],
  ['aws', 's3.dualstack.eu-west-1.amazonaws.com', 'eu-west-1', undefined],
  ['aws', 's3-fips.us-east-2.amazonaws.com', 'us-east-2', undefined],
  ['r2', '0123abcd.r2.cloudflarestorage.com', 'auto', undefined],
  ['r2', '0123abcd.eu.r2.cloudflarestorage.com', 'auto', undefined],
  ['b2', 's3.us-west-004.backblazeb2.com', 'us-west-004', undefined],
  ['gcs', 'storage.googleapis.com', 'auto', undefined],
  ['gcs', 'bucket.storage.googleapis.com', 'auto', 'bucket'],
  ['wasabi', 's3.eu-central-1.wasabisys.com', 'eu-central-1', undefined],
  ['wasabi', 's3.wasabisys.com', 'us-east-1', undefined],
];

for (const [vendor, host, region, bucket] of HOSTS) {
  t.test(`${host} tells region ${region ?? 'nothing'} and bucket ${bucket ?? 'none'}`, (t) => {
    const known = recogniseHost(VENDORS[vendor], host);
    t.equal(known?.region, region);
    t.equal(known?.bucket, bucket);
    t.equal(known?.host, bucket === undefined ? host : host.slice(bucket.length + 1));
    t.equal(known?.use, undefined);
    t.end();
  });
}

t.test('a host that does not speak S3 is told from the one that does', (t) => {
  const known = recogniseHost(VENDORS.tos, 'tos-cn-beijing.volces.com');
  t.match(known, { region: 'cn-beijing', use: 'tos-s3-cn-beijing.volces.com' });
  t.equal(recogniseHost(VENDORS.oss, 'oss-cn-hangzhou.aliyuncs.com.evil.example'), undefined);
  t.equal(recogniseHost(VENDORS.oss, 'evil-oss-cn-hangzhou.aliyuncs.com'), undefined);
  t.equal(recogniseHost(VENDORS.other, 's3.example.com'), undefined);
  t.end();
});

t.test('a target is made of settings, row and host', (t) => {
  const settings: TargetSettings = {
    name: 'hangzhou',
    provider: 'oss',
    endpoint: 'CI.oss-cn-hangzhou.aliyuncs.com',
    protocol: 'https',
    accessKey: 'a',
    secretKey: 's',
  };
  t.match(resolveTarget(settings, {}), {
    name: 'hangzhou',
    region: 'cn-hangzhou',
    endpoint: { protocol: 'https', host: 'oss-cn-hangzhou.aliyuncs.com', port: 443 },
    dialect: { addressing: 'virtual', signature: 'v4' },
  });
  t.match(resolveTarget({ ...settings, region: 'x' }, { addressing: 'domain', signature: 'v2' }), {
    region: 'x',
    endpoint: { host: 'ci.oss-cn-hangzhou.aliyuncs.com' },
    dialect: { addressing: 'domain', signature: 'v2' },
  });
  const local = { ...settings, provider: 'other', protocol: 'http' } as const;
  t.match(resolveTarget({ ...local, endpoint: '127.0.0.1:7480' }, {}), {
    endpoint: { host: '127.0.0.1', port: 7480 },
    region: 'us-east-1',
  });
  t.match(resolveTarget({ ...local, endpoint: '[::1]:7480' }, {}).endpoint, { host: '[::1]', port: 7480 });
  t.match(resolveTarget({ ...local, endpoint: '[::1]' }, {}).endpoint, { host: '[::1]', port: 80 });
  t.end();
});

t.test('settings that contradict the row are told with the remedy', (t) => {
  const settings: TargetSettings = {
    name: 'x',
    provider: 'tos',
    endpoint: 'tos-cn-beijing.volces.com',
    protocol: 'https',
    accessKey: 'a',
    secretKey: 's',
  };
  t.same(targetFaults(settings, { signature: 'v2', addressing: 'path' }), [
    { setting: 'signature', message: 'v2 is not accepted by tos; use v4' },
    { setting: 'addressing', message: 'path is not accepted by tos; use virtual or domain' },
    { setting: 'endpoint', message: 'tos-cn-beijing.volces.com does not speak S3; use tos-s3-cn-beijing.volces.com' },
  ]);
  t.same(targetFaults({ ...settings, endpoint: 'tos-s3-cn-beijing.volces.com' }, {}), []);
  const accelerated = { ...settings, provider: 'oss', endpoint: 'oss-accelerate.aliyuncs.com' } as const;
  t.match(targetFaults(accelerated, {}), [{ setting: 'region' }]);
  t.same(targetFaults({ ...accelerated, region: 'cn-hangzhou' }, {}), []);
  const pasted = { ...settings, provider: 'cos', endpoint: 'data-125.cos.ap-guangzhou.myqcloud.com' } as const;
  t.match(targetFaults({ ...pasted, bucket: 'other' }, {}), [
    {
      setting: 'endpoint',
      message: /is the host of the bucket data-125, and .* use cos\.ap-guangzhou\.myqcloud\.com$/,
    },
  ]);
  t.same(targetFaults({ ...pasted, bucket: 'data-125' }, {}), []);
  t.same(targetFaults({ ...pasted, bucket: 'data' }, { bucketSuffix: '-125' }), []);
  t.same(targetFaults({ ...pasted, bucket: 'other' }, { addressing: 'domain', addressings: ['domain'] }), []);
  const local = { ...settings, provider: 'ceph', endpoint: '127.0.0.1:7480' } as const;
  t.match(targetFaults(local, { addressing: 'virtual' }), [{ setting: 'addressing' }]);
  t.same(targetFaults(local, {}), []);
  t.same(targetFaults({ ...local, endpoint: '[::1]:7480' }, {}), []);
  t.end();
});
