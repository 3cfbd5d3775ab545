import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { VENDORS } from '../../../src/upstream/vendors.ts';

t.test('there is a row for every provider of the configuration', (t) => {
  const providers = 'aws oss cos kodo obs tos minio ceph r2 b2 gcs wasabi other';
  t.same(Object.keys(VENDORS), providers.split(' '));
  t.end();
});

for (const [name, row] of Object.entries(VENDORS)) {
  t.test(`the row ${name} does not contradict itself`, (t) => {
    t.ok(row.signatures.includes(row.signature));
    t.ok(row.addressings.includes(row.addressing));
    for (const size of [row.maxSinglePut, row.maxCopy, row.minPart, row.maxParts, row.maxKeys, row.maxDeleteKeys]) {
      t.ok(Number.isSafeInteger(size) && size > 0);
    }
    for (const { host, use } of row.hosts) t.match(`${host}${use ?? ''}`, /^[a-z0-9.{}-]+$/);
    t.ok(!row.signatures.includes('native') || row.nativeSignature !== undefined);
    const defined = Object.entries(row).filter(([, value]) => value !== undefined);
    t.same(JSON.parse(JSON.stringify(row)), Object.fromEntries(defined), 'it is plain data');
    t.end();
  });
}

t.test('no vendor is named anywhere else in this folder', (t) => {
  const folder = new URL('../../../src/upstream/', import.meta.url);
  const names =
    /aliyun|alibaba|tencent|qcloud|qiniu|kodo|huawei|volc|byteplus|minio|\bceph\b|cloudflare|backblaze|wasabi|amazonaws/i;
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (file === 'vendors.ts' || !file.endsWith('.ts')) continue;
    const lines = readFileSync(new URL(file, folder), 'utf8').split('\n');
    // Links to S3's own documentation are no vendor's name.
    t.same(
      lines.filter((line) => names.test(line) && !line.includes('https://docs.aws')),
      [],
      file,
    );
  }
  t.end();
});
