import type { Test } from 'tap';
import { type BodyChecksum, type ChecksumAlgorithm, createChecksum } from '../../../src/s3/checksum.ts';
import { childText } from '../../../src/s3/xml.ts';
import { generatedBytes } from '../../support/generated.ts';
import { type Call, childrenOf, document } from './client.ts';
import { type SentPart, uploaderOf } from './uploader.ts';

const bucket = 'checksums';
const MIN = 5 * 1024 * 1024;

export async function multipartChecksumContract(t: Test, call: Call): Promise<void> {
  await call({ method: 'PUT', bucket });
  const { begin, upload, complete, get } = uploaderOf(call, bucket);
  const [first, second, last] = [generatedBytes(MIN, 1), generatedBytes(MIN + 3, 2), generatedBytes(1000, 3)];
  const bodies = [first, second, last];
  const whole = Buffer.concat(bodies);
  const sum = (algorithm: ChecksumAlgorithm, bytes: Uint8Array): BodyChecksum => {
    const checksum = createChecksum(algorithm);
    checksum.update(bytes);
    return { algorithm, value: checksum.digest() };
  };
  const composite = (algorithm: ChecksumAlgorithm): string => {
    const values = bodies.map((body) => Buffer.from(sum(algorithm, body).value, 'base64'));
    return `${sum(algorithm, Buffer.concat(values)).value}-${values.length}`;
  };
  const modes = [
    ['CRC32', undefined, composite('CRC32'), 'COMPOSITE'],
    ['CRC32C', 'FULL_OBJECT', sum('CRC32C', whole).value, 'FULL_OBJECT'],
    ['CRC64NVME', undefined, sum('CRC64NVME', whole).value, 'FULL_OBJECT'],
    ['SHA1', undefined, composite('SHA1'), 'COMPOSITE'],
    ['SHA256', 'COMPOSITE', composite('SHA256'), 'COMPOSITE'],
  ] as const;
  for (const [algorithm, asked, value, type] of modes) {
    await t.test(`a ${type} ${algorithm} of the whole object comes from those of its parts`, async (t) => {
      const key = `sum-${algorithm}`;
      const mode = { 'x-amz-checksum-algorithm': algorithm, ...(asked && { 'x-amz-checksum-type': asked }) };
      const id = await begin(key, mode);
      const parts: SentPart[] = [];
      for (const [index, body] of bodies.entries()) {
        // The second comes without one: the store computes it.
        const checksum = index === 1 ? undefined : sum(algorithm, body);
        const answer = await upload(key, id, index + 1, body, checksum);
        t.equal(answer.headers.get(`x-amz-checksum-${algorithm.toLowerCase()}`), sum(algorithm, body).value);
        parts.push({ number: index + 1, etag: answer.headers.get('etag') ?? '', checksum: sum(algorithm, body) });
      }
      const wrong = {
        [`x-amz-checksum-${algorithm.toLowerCase()}`]: sum(algorithm, last).value,
        'x-amz-checksum-type': type,
      };
      t.equal((await complete(key, id, parts, wrong)).code, 'BadDigest');
      const badPart = parts.map((part) => ({ ...part, checksum: sum(algorithm, Buffer.alloc(0)) }));
      t.equal((await complete(key, id, badPart)).code, 'InvalidPart');
      const right = { [`x-amz-checksum-${algorithm.toLowerCase()}`]: value, 'x-amz-checksum-type': type };
      const root = document(await complete(key, id, parts, right));
      t.equal(childText(root, `Checksum${algorithm}`), value);
      t.equal(childText(root, 'ChecksumType'), type);
      const head = await call({ method: 'HEAD', bucket, key, headers: { 'x-amz-checksum-mode': 'ENABLED' } });
      t.equal(head.headers.get(`x-amz-checksum-${algorithm.toLowerCase()}`), value);
      const attributes = { 'x-amz-object-attributes': 'Checksum,ObjectParts', 'x-amz-max-parts': '2' };
      const told = document(await get(key, 'attributes', attributes));
      const [list] = childrenOf(told, 'ObjectParts');
      t.equal(list && childText(list, 'PartsCount'), '3');
      t.equal(list && childText(list, 'IsTruncated'), 'true');
      const sums = list && childrenOf(list, 'Part').map((part) => childText(part, `Checksum${algorithm}`));
      t.same(sums, [sum(algorithm, first).value, sum(algorithm, second).value]);
    });
  }

  await t.test('a composite checksum needs neither its type nor the count of parts behind it', async (t) => {
    // As minio-go completes an upload, and with it mc.
    const id = await begin('untyped', { 'x-amz-checksum-algorithm': 'CRC32C' });
    const parts: SentPart[] = [];
    for (const [index, body] of bodies.entries()) {
      const answer = await upload('untyped', id, index + 1, body, sum('CRC32C', body));
      parts.push({ number: index + 1, etag: answer.headers.get('etag') ?? '', checksum: sum('CRC32C', body) });
    }
    const untyped = (value: string) => complete('untyped', id, parts, { 'x-amz-checksum-crc32c': value });
    t.equal((await untyped(sum('CRC32C', whole).value)).code, 'BadDigest', 'that of the whole is another');
    const root = document(await untyped(composite('CRC32C').replace(/-3$/, '')));
    t.equal(childText(root, 'ChecksumCRC32C'), composite('CRC32C'));
    t.equal(childText(root, 'ChecksumType'), 'COMPOSITE');
  });

  await t.test('checksum types that an algorithm has not, and other algorithms for parts, are refused', async (t) => {
    const start = (headers: Record<string, string>) =>
      call({ method: 'POST', bucket, key: 'x', query: 'uploads', headers });
    const bad = [
      { 'x-amz-checksum-algorithm': 'MD4' },
      { 'x-amz-checksum-algorithm': 'SHA256', 'x-amz-checksum-type': 'FULL_OBJECT' },
      { 'x-amz-checksum-algorithm': 'CRC64NVME', 'x-amz-checksum-type': 'COMPOSITE' },
      { 'x-amz-checksum-type': 'COMPOSITE' },
    ];
    for (const headers of bad) t.equal((await start(headers)).code, 'InvalidRequest', JSON.stringify(headers));
    const id = await begin('x', { 'x-amz-checksum-algorithm': 'SHA1' });
    t.equal((await upload('x', id, 1, last, sum('CRC32', last))).code, 'InvalidRequest');
  });
}
