import { crc32 } from 'node:zlib';
import t from 'tap';
import {
  CHECKSUM_ALGORITHMS,
  type ChecksumAlgorithm,
  type CrcAlgorithm,
  checksumHeader,
  checksumOfHeader,
  combineCrc,
  createChecksum,
  isChecksumAlgorithm,
  isChecksumValue,
} from '../../../src/s3/checksum.ts';
import { generatedBytes } from '../../support/generated.ts';

function of(algorithm: ChecksumAlgorithm, ...chunks: Uint8Array[]): string {
  const checksum = createChecksum(algorithm);
  for (const chunk of chunks) checksum.update(chunk);
  return checksum.digest();
}

/** The check values of the CRC catalogues, and FIPS 180's. */
const KNOWN: readonly (readonly [ChecksumAlgorithm, text: string, hex: string])[] = [
  ['CRC32', '123456789', 'cbf43926'],
  ['CRC32C', '123456789', 'e3069283'],
  ['CRC64NVME', '123456789', 'ae8b14860a799888'],
  ['SHA1', 'abc', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
  ['SHA256', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  ['CRC32', '', '00000000'],
  ['CRC32C', '', '00000000'],
  ['CRC64NVME', '', '0000000000000000'],
];

for (const [algorithm, text, hex] of KNOWN) {
  t.test(`${algorithm} of '${text}' is the published value`, async (t) => {
    t.equal(Buffer.from(of(algorithm, Buffer.from(text)), 'base64').toString('hex'), hex);
  });
}

t.test('CRC32C has the values of RFC 3720 appendix B.4', async (t) => {
  const ascending = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
  const cases = [
    [Buffer.alloc(32), 'aa36918a'],
    [Buffer.alloc(32, 0xff), '43aba862'],
    [ascending, '4e79dd46'],
    [Buffer.from(ascending).reverse(), '5cdb3f11'],
  ] as const;
  // The RFC prints bytes in the order they are sent, which is the other way round.
  for (const [bytes, hex] of cases) {
    t.equal(Buffer.from(of('CRC32C', bytes), 'base64').reverse().toString('hex'), hex);
  }
});

/** The same CRC a bit at a time, straight from its definition. */
function slowCrc(bytes: Uint8Array, width: bigint, polynomial: bigint): bigint {
  const ones = (1n << width) - 1n;
  let crc = ones;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ polynomial : crc >> 1n;
  }
  return crc ^ ones;
}

t.test('CRCs agree with the definition for every length and alignment around the eight-byte steps', async (t) => {
  const bytes = generatedBytes(300, 1);
  for (let start = 0; start < 9; start++) {
    for (const length of [0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 255]) {
      const chunk = bytes.subarray(start, start + length);
      const hex = (algorithm: CrcAlgorithm) => Buffer.from(of(algorithm, chunk), 'base64').toString('hex');
      t.equal(BigInt(`0x${hex('CRC32C')}`), slowCrc(chunk, 32n, 0x82f63b78n));
      t.equal(BigInt(`0x${hex('CRC64NVME')}`), slowCrc(chunk, 64n, 0x9a6c9329ac4bc9b5n));
      t.equal(Number(`0x${hex('CRC32')}`), crc32(chunk));
    }
  }
});

t.test('splitting the bytes anywhere changes no checksum', async (t) => {
  const bytes = generatedBytes(100, 2);
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const whole = of(algorithm, bytes);
    for (let at = 0; at <= 100; at += 3) t.equal(of(algorithm, bytes.subarray(0, at), bytes.subarray(at)), whole);
  }
});

t.test('combineCrc gives the checksum of the whole from those of its parts', async (t) => {
  const bytes = generatedBytes(70_000, 3);
  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME'] as const) {
    for (const at of [0, 1, 8, 1023, 65_536, 69_999, 70_000]) {
      const [a, b] = [bytes.subarray(0, at), bytes.subarray(at)];
      t.equal(
        combineCrc(algorithm, of(algorithm, a), of(algorithm, b), b.length),
        of(algorithm, bytes),
        `${algorithm} ${at}`,
      );
    }
    const third = bytes.subarray(0, 10_000);
    const parts = [third, bytes.subarray(10_000, 20_000), bytes.subarray(20_000)];
    const combined = parts.reduce(
      (crc, part) => combineCrc(algorithm, crc, of(algorithm, part), part.length),
      of(algorithm),
    );
    t.equal(combined, of(algorithm, bytes));
  }
});

t.test('headers and algorithms name one another', async (t) => {
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    t.equal(checksumOfHeader(checksumHeader(algorithm)), algorithm);
    t.ok(isChecksumAlgorithm(algorithm));
  }
  t.equal(checksumHeader('CRC64NVME'), 'x-amz-checksum-crc64nvme');
  for (const name of ['x-amz-checksum-mode', 'x-amz-checksum-algorithm', 'x-amz-checksum-md4', 'constructor']) {
    t.equal(checksumOfHeader(name), undefined);
  }
  t.notOk(isChecksumAlgorithm('crc32'));
  t.notOk(isChecksumAlgorithm('toString'));
});

t.test('a value is canonical base64 of the right length, or none', async (t) => {
  t.ok(isChecksumValue('CRC32', 'AAAAAA=='));
  for (const value of ['AAAAAA', 'AAAAAA=', 'AAAAAB==', 'AAAAAAA=', '', 'AAAA AA==', 'AAAA_A==', 'AAAAAA==\n']) {
    t.notOk(isChecksumValue('CRC32', value), JSON.stringify(value));
  }
});
