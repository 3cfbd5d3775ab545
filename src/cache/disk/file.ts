import { crc32 } from 'node:zlib';
import { blockCount } from '../content.ts';
import type { Description } from '../description.ts';
import type { ObjectName } from '../identity.ts';

/**
 * One file is one version: its bytes, then what is known of them, then one checksum a block, then a tail of fixed length.
 * The object's name is in it, so that a file in a wrong place is never served, and a lost index can be made anew.
 */
export interface Trailer {
  readonly name: ObjectName;
  readonly description: Description;
  /** CRC-32 of each block. */
  readonly checksums: Uint32Array;
}

export const TAIL_BYTES = 32;
const MAGIC = 'SLUICE01';

/** What goes behind the bytes of a version. */
export function encodeTrailer({ name, description, checksums }: Trailer): Buffer {
  const { etag, size, lastModified, headers } = description;
  const json = Buffer.from(
    JSON.stringify({ name, etag, size, lastModified: lastModified.getTime(), headers: [...headers] }),
  );
  const table = Buffer.alloc(checksums.length * 4);
  checksums.forEach((checksum, index) => {
    table.writeUInt32LE(checksum, index * 4);
  });
  const tail = Buffer.alloc(TAIL_BYTES);
  tail.write(MAGIC, 'latin1');
  tail.writeBigUInt64LE(BigInt(size), 8);
  tail.writeUInt32LE(json.length, 16);
  tail.writeUInt32LE(checksums.length, 20);
  tail.writeUInt32LE(crc32(tail.subarray(0, 24), crc32(table, crc32(json))), 24);
  return Buffer.concat([json, table, tail]);
}

/** How long the whole trailer is, by its last bytes; undefined when they are no tail of a file of that length. */
export function trailerLength(tail: Buffer, fileSize: number): number | undefined {
  if (tail.length !== TAIL_BYTES || tail.toString('latin1', 0, 8) !== MAGIC) return undefined;
  const size = Number(tail.readBigUInt64LE(8));
  const blocks = tail.readUInt32LE(20);
  const length = tail.readUInt32LE(16) + blocks * 4 + TAIL_BYTES;
  return blocks === blockCount(size) && size + length === fileSize ? length : undefined;
}

/** @param bytes the whole trailer. Undefined when it is damaged. */
export function decodeTrailer(bytes: Buffer): Trailer | undefined {
  const tail = bytes.subarray(bytes.length - TAIL_BYTES);
  const jsonLength = tail.readUInt32LE(16);
  const body = bytes.subarray(0, bytes.length - TAIL_BYTES);
  if (crc32(tail.subarray(0, 24), crc32(body)) !== tail.readUInt32LE(24)) return undefined;
  // Its checksum says that it is as it was written.
  const parsed = JSON.parse(body.toString('utf8', 0, jsonLength)) as {
    readonly name: ObjectName;
    readonly etag: string;
    readonly size: number;
    readonly lastModified: number;
    readonly headers: readonly (readonly [string, string])[];
  };
  const checksums = new Uint32Array(tail.readUInt32LE(20));
  for (let index = 0; index < checksums.length; index++) {
    checksums[index] = body.readUInt32LE(jsonLength + index * 4);
  }
  const { name, etag, size, lastModified, headers } = parsed;
  return {
    name,
    description: { etag, size, lastModified: new Date(lastModified), headers: new Map(headers) },
    checksums,
  };
}
