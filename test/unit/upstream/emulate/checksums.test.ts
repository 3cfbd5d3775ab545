import t from 'tap';
import { createChecksum } from '../../../../src/s3/checksum.ts';
import type { S3Request } from '../../../../src/s3/message.ts';
import { checksums } from '../../../../src/upstream/emulate/checksums.ts';
import { generatedBytes, generatedStream } from '../../../support/generated.ts';
import { narrowService } from '../../../support/narrow-service.ts';
import { type RequestParts, s3Request } from '../../../support/s3-request.ts';

function start(kind: 'pass' | 'strip') {
  const service = narrowService();
  const handler = checksums({ checksums: kind, etag: 'aws' })(service.handler);
  const ask = (parts: Partial<RequestParts>, more: Partial<S3Request> = {}) =>
    handler({ ...s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', ...parts }), ...more });
  return { service, ask };
}

function crc32(size: number): string {
  const checksum = createChecksum('CRC32');
  checksum.update(generatedBytes(size, 1));
  return checksum.digest();
}
const ENABLED = { 'x-amz-checksum-mode': 'ENABLED' };

/** A body whose checksum came with it, in a header or behind it: known once it has been read. */
function upload(size: number, how: 'header' | 'trailer') {
  const body = generatedStream(size, 1);
  const value = crc32(size);
  const headers: Record<string, string> =
    how === 'header' ? { 'x-amz-checksum-crc32': value } : { 'x-amz-trailer': 'x-amz-checksum-crc32' };
  const bodyChecksum = () => (body.readableEnded ? ({ algorithm: 'CRC32', value } as const) : undefined);
  return [{ body, bodyLength: size, headers }, { bodyChecksum }] as const;
}

t.test('a checksum survives a service that refuses checksums', async (t) => {
  for (const [size, how, isKept] of [
    [10, 'header', true],
    [3_000_000, 'header', true],
    [10, 'trailer', true],
    [1_048_576, 'trailer', true],
    [1_048_577, 'trailer', false],
  ] as const) {
    const { service, ask } = start('strip');
    const put = await ask(...upload(size, how));
    t.equal(put.headers.get('x-amz-checksum-crc32'), crc32(size), 'the answer repeats it');
    t.equal(put.headers.get('x-amz-checksum-type'), 'FULL_OBJECT');
    const head = await ask({ method: 'HEAD', headers: ENABLED });
    t.equal(head.headers.get('x-amz-checksum-crc32'), isKept ? crc32(size) : undefined, `${size} ${how}`);
    t.equal(head.headers.get('x-amz-checksum-type'), isKept ? 'FULL_OBJECT' : undefined);
    for (const parts of [{ method: 'HEAD' }, { method: 'GET', headers: { ...ENABLED, range: 'bytes=0-4' } }]) {
      t.notOk((await ask(parts)).headers.has('x-amz-checksum-crc32'), 'not unasked, not of a part');
    }
    t.equal(service.objects.get('k')?.headers.has('x-amz-meta-sluice-checksum'), isKept);
    t.notMatch([...head.headers.keys()].join(), 'sluice');
  }
});

t.test('a service that takes checksums gets one it did not know', async (t) => {
  const { service, ask } = start('pass');
  await ask(...upload(10, 'trailer'));
  t.equal(service.seen[0]?.headers.get('x-amz-checksum-crc32'), crc32(10));
  t.notOk(service.objects.get('k')?.headers.has('x-amz-meta-sluice-checksum'));
});

t.test('UploadPart repeats its checksum', async (t) => {
  const { service, ask } = start('strip');
  await service.handler(s3Request({ method: 'POST', bucket: 'bucket', key: 'k', query: 'uploads' }));
  const [parts, more] = upload(10, 'trailer');
  const answer = await ask({ ...parts, query: 'partNumber=1&uploadId=upload-1' }, more);
  t.equal(answer.headers.get('x-amz-checksum-crc32'), crc32(10));
  t.notOk(answer.headers.has('x-amz-checksum-type'));
});

t.test('E13 metadata of ours is neither set nor seen by clients, and goes along with a copy', async (t) => {
  const { service, ask } = start('strip');
  const forged = { 'x-amz-meta-sluice-checksum': `CRC32=${crc32(3)}` };
  await t.rejects(ask({ body: 'x', headers: forged }), { code: 'InvalidArgument' });
  await ask(...upload(10, 'header'));
  const headers = { 'x-amz-copy-source': '/bucket/k', 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-new': '1' };
  await ask({ key: 'copy', headers });
  t.match(service.objects.get('copy')?.headers, new Map([['x-amz-meta-new', '1']]));
  const head = await ask({ method: 'HEAD', key: 'copy', headers: ENABLED });
  t.equal(head.headers.get('x-amz-checksum-crc32'), crc32(10));
});

t.test('what somebody else wrote in our place is no checksum', async (t) => {
  const { service, ask } = start('strip');
  for (const value of ['', 'x', 'CRC32=', 'CRC32=short', 'MD5=AAAAAA==', 'CRC32=AAAAAA==\t']) {
    const headers = new Map([['x-amz-meta-sluice-checksum', value]]);
    service.objects.set('k', { bytes: Buffer.from('x'), headers, etag: 'e' });
    const head = await ask({ method: 'HEAD', headers: ENABLED });
    t.same([...head.headers.keys()], ['etag', 'content-length'].reverse(), value);
  }
});
