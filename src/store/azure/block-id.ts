import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../../s3/checksum.ts';

/**
 * What the id of a block tells: block ids are the only database of parts. 64 bytes, as many as an id may have:
 * version, flags, part number (2), number within the part (2), time of the attempt in milliseconds (6), random (3),
 * and on the last block of a part its MD5 (16) and its checksum: algorithm and up to 32 bytes.
 */
export interface BlockId {
  readonly partNumber: number;
  /** From 0 within the part. */
  readonly sequence: number;
  /** Milliseconds. The part that was begun last is the one that counts. */
  readonly attempt: number;
  readonly random: Buffer;
  /** On the last block of a part, put when all of it has been verified. */
  readonly last: LastBlock | undefined;
}

export interface LastBlock {
  /**
   * The block holds nothing of the part, which is all in those before it: it only tells of it. Its one byte, as Azure
   * takes no empty blocks, is never committed.
   */
  readonly isBare: boolean;
  /** MD5 of the part, hex. */
  readonly md5: string;
  /** Of the part; base64. */
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined;
}

const VERSION = 1;
const LAST = 1;
const BARE = 2;
/** All ids of one blob must be as long. */
export const BLOCK_ID_BYTES = 64;
/** Where each field begins. */
const AT = { flags: 1, part: 2, sequence: 4, attempt: 6, random: 12, md5: 15, algorithm: 31, checksum: 32 } as const;
export const RANDOM_BYTES = AT.md5 - AT.random;

/** The id in base64, as Azure wants it. */
export function packBlockId({ partNumber, sequence, attempt, random, last }: BlockId): string {
  const bytes = Buffer.alloc(BLOCK_ID_BYTES);
  bytes[0] = VERSION;
  bytes[AT.flags] = last === undefined ? 0 : LAST | (last.isBare ? BARE : 0);
  bytes.writeUInt16BE(partNumber, AT.part);
  bytes.writeUInt16BE(sequence, AT.sequence);
  bytes.writeUIntBE(attempt, AT.attempt, 6);
  random.copy(bytes, AT.random, 0, RANDOM_BYTES);
  if (last !== undefined) {
    bytes.write(last.md5, AT.md5, 'hex');
    if (last.checksum !== undefined) {
      bytes[AT.algorithm] = CHECKSUM_ALGORITHMS.indexOf(last.checksum.algorithm) + 1;
      bytes.write(last.checksum.value, AT.checksum, 'base64');
    }
  }
  return bytes.toString('base64');
}

/** Reads an id; undefined for one that is not ours. */
export function unpackBlockId(id: string): BlockId | undefined {
  const bytes = Buffer.from(id, 'base64');
  if (bytes.byteLength !== BLOCK_ID_BYTES || bytes[0] !== VERSION) return undefined;
  const flags = bytes[AT.flags] ?? 0;
  return {
    partNumber: bytes.readUInt16BE(AT.part),
    sequence: bytes.readUInt16BE(AT.sequence),
    attempt: bytes.readUIntBE(AT.attempt, 6),
    random: bytes.subarray(AT.random, AT.random + RANDOM_BYTES),
    last: flags & LAST ? lastOf(bytes, (flags & BARE) !== 0) : undefined,
  };
}

/** Bytes in a checksum of each algorithm. */
export const CHECKSUM_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};

function lastOf(bytes: Buffer, isBare: boolean): LastBlock {
  const algorithm = CHECKSUM_ALGORITHMS[(bytes[AT.algorithm] ?? 0) - 1];
  return {
    isBare,
    md5: bytes.toString('hex', AT.md5, AT.md5 + 16),
    checksum: algorithm && {
      algorithm,
      value: bytes.toString('base64', AT.checksum, AT.checksum + CHECKSUM_BYTES[algorithm]),
    },
  };
}
