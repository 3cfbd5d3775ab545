import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { crc32c, crc64nvme } from './crc.ts';

/** S3's checksum algorithms, in the spelling of its XML and of `x-amz-checksum-algorithm`. */
export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256';

/** The checksum of one body: base64. */
export interface BodyChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}

/** A checksum under way. `digest` gives base64 and ends it. */
export interface RunningChecksum {
  update(chunk: Uint8Array): void;
  digest(): string;
}

/** Algorithm to number of bytes in its value. */
const BYTES: Readonly<Record<ChecksumAlgorithm, number>> = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 };

export const CHECKSUM_ALGORITHMS = Object.keys(BYTES) as readonly ChecksumAlgorithm[]; // Its keys are that type.

const BY_HEADER: ReadonlyMap<string, ChecksumAlgorithm> = new Map(
  CHECKSUM_ALGORITHMS.map((algorithm) => [checksumHeader(algorithm), algorithm]),
);

/** The header that carries a checksum of this algorithm: `x-amz-checksum-crc32`. */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** The algorithm that a header carries a checksum of; undefined for any other header. Lower case wanted. */
export function checksumOfHeader(name: string): ChecksumAlgorithm | undefined {
  return BY_HEADER.get(name);
}

export function isChecksumAlgorithm(text: string): text is ChecksumAlgorithm {
  return Object.hasOwn(BYTES, text);
}

/** Whether a text is canonical base64 of as many bytes as the algorithm gives. */
export function isChecksumValue(algorithm: ChecksumAlgorithm, value: string): boolean {
  const bytes = Buffer.from(value, 'base64');
  return bytes.length === BYTES[algorithm] && bytes.toString('base64') === value;
}

/** Starts a checksum of an algorithm. */
export function createChecksum(algorithm: ChecksumAlgorithm): RunningChecksum {
  switch (algorithm) {
    case 'CRC32':
      return crc32Checksum(crc32);
    case 'CRC32C':
      return crc32Checksum(crc32c);
    case 'CRC64NVME':
      return crc64Checksum();
    case 'SHA1':
    case 'SHA256':
      return hashChecksum(algorithm.toLowerCase());
    default:
      return algorithm satisfies never;
  }
}

function crc32Checksum(next: (chunk: Uint8Array, crc: number) => number): RunningChecksum {
  let crc = 0;
  return {
    update(chunk) {
      crc = next(chunk, crc);
    },
    digest() {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(crc);
      return bytes.toString('base64');
    },
  };
}

function crc64Checksum(): RunningChecksum {
  const crc = crc64nvme();
  return { update: crc.update, digest: () => crc.digest().toString('base64') };
}

function hashChecksum(name: string): RunningChecksum {
  const hash = createHash(name);
  return {
    update(chunk) {
      hash.update(chunk);
    },
    digest: () => hash.digest('base64'),
  };
}

/** Reflected polynomials with the bit of x^width left out, as RFC 3720, zlib and the NVMe specification give them. */
const POLYNOMIALS = {
  CRC32: { width: 32n, polynomial: 0xedb88320n },
  CRC32C: { width: 32n, polynomial: 0x82f63b78n },
  CRC64NVME: { width: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
} as const;

export type CrcAlgorithm = keyof typeof POLYNOMIALS;

/**
 * The CRC of A followed by B, from theirs and B's length: what S3 calls FULL_OBJECT for a multipart object.
 * A is moved up by `lengthB` bytes, that is multiplied by x^(8 * lengthB) modulo the polynomial, and B added.
 * @param crcA base64
 * @param crcB base64
 * @param lengthB bytes
 */
export function combineCrc(algorithm: CrcAlgorithm, crcA: string, crcB: string, lengthB: number): string {
  const { width, polynomial } = POLYNOMIALS[algorithm];
  let moved = toBigInt(crcA);
  let rest = BigInt(lengthB);
  for (const power of SHIFTS[algorithm]) {
    if (rest & 1n) moved = multiply(moved, power, width, polynomial);
    rest >>= 1n;
    if (rest === 0n) break;
  }
  const combined = moved ^ toBigInt(crcB);
  const hex = combined.toString(16).padStart(Number(width) / 4, '0');
  return Buffer.from(hex, 'hex').toString('base64');
}

function multiply(a: bigint, b: bigint, width: bigint, polynomial: bigint): bigint {
  let product = 0n;
  let shifted = b;
  for (let bit = 1n << (width - 1n); bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ polynomial : shifted >> 1n;
  }
  return product;
}

/** For each algorithm x^(8 * 2^k) for k from 0: the factors that move a CRC up by a power of two of bytes. */
const SHIFTS: Readonly<Record<CrcAlgorithm, readonly bigint[]>> = {
  CRC32: shifts('CRC32'),
  CRC32C: shifts('CRC32C'),
  CRC64NVME: shifts('CRC64NVME'),
};

function shifts(algorithm: CrcAlgorithm): readonly bigint[] {
  const { width, polynomial } = POLYNOMIALS[algorithm];
  const powers = [1n << (width - 9n)]; // The highest bit is x^0, hence this is x^8: one byte.
  for (let power = powers[0] ?? 0n; powers.length < 53; powers.push(power)) {
    power = multiply(power, power, width, polynomial);
  }
  return powers;
}

function toBigInt(base64: string): bigint {
  return BigInt(`0x${Buffer.from(base64, 'base64').toString('hex')}`);
}
