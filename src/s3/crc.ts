/**
 * The two CRCs that Node has not, eight bytes a step ("slicing by eight": table k holds the CRC of a byte followed
 * by k zero bytes).
 */

const SLICES = 8;
const CRC32C_POLYNOMIAL = 0x82f63b78;
const CRC64NVME_POLYNOMIAL = 0x9a6c9329ac4bc9b5n;

const TABLE_32C = makeTable32(CRC32C_POLYNOMIAL);
const [TABLE_64_LOW, TABLE_64_HIGH] = makeTable64(CRC64NVME_POLYNOMIAL);

/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4) of a chunk, going on from `crc`; used as `zlib.crc32` is.
 */
export function crc32c(chunk: Uint8Array, crc = 0): number {
  const T = TABLE_32C;
  const end = chunk.length;
  const sliced = end - (end % SLICES);
  let state = ~crc;
  let at = 0;
  for (; at < sliced; at += SLICES) {
    state ^= byte(chunk, at) | (byte(chunk, at + 1) << 8) | (byte(chunk, at + 2) << 16) | (byte(chunk, at + 3) << 24);
    state =
      entry(T, 1792 + (state & 0xff)) ^
      entry(T, 1536 + ((state >>> 8) & 0xff)) ^
      entry(T, 1280 + ((state >>> 16) & 0xff)) ^
      entry(T, 1024 + (state >>> 24)) ^
      entry(T, 768 + byte(chunk, at + 4)) ^
      entry(T, 512 + byte(chunk, at + 5)) ^
      entry(T, 256 + byte(chunk, at + 6)) ^
      entry(T, byte(chunk, at + 7));
  }
  for (; at < end; at++) state = entry(T, (state ^ byte(chunk, at)) & 0xff) ^ (state >>> 8);
  return ~state >>> 0;
}

/** A CRC-64/NVME under way, in two halves of 32 bits since a bigint a byte would be a hundred times slower. */
export function crc64nvme(): { update(chunk: Uint8Array): void; digest(): Buffer } {
  let low = -1;
  let high = -1;
  return {
    update(chunk) {
      const L = TABLE_64_LOW;
      const H = TABLE_64_HIGH;
      const end = chunk.length;
      const sliced = end - (end % SLICES);
      let l = low;
      let h = high;
      let at = 0;
      for (; at < sliced; at += SLICES) {
        l ^= byte(chunk, at) | (byte(chunk, at + 1) << 8) | (byte(chunk, at + 2) << 16) | (byte(chunk, at + 3) << 24);
        h ^=
          byte(chunk, at + 4) | (byte(chunk, at + 5) << 8) | (byte(chunk, at + 6) << 16) | (byte(chunk, at + 7) << 24);
        const a = 1792 + (l & 0xff);
        const b = 1536 + ((l >>> 8) & 0xff);
        const c = 1280 + ((l >>> 16) & 0xff);
        const d = 1024 + (l >>> 24);
        const e = 768 + (h & 0xff);
        const f = 512 + ((h >>> 8) & 0xff);
        const g = 256 + ((h >>> 16) & 0xff);
        const i = h >>> 24;
        l =
          entry(L, a) ^ entry(L, b) ^ entry(L, c) ^ entry(L, d) ^ entry(L, e) ^ entry(L, f) ^ entry(L, g) ^ entry(L, i);
        h =
          entry(H, a) ^ entry(H, b) ^ entry(H, c) ^ entry(H, d) ^ entry(H, e) ^ entry(H, f) ^ entry(H, g) ^ entry(H, i);
      }
      for (; at < end; at++) {
        const index = (l ^ byte(chunk, at)) & 0xff;
        l = entry(L, index) ^ ((l >>> 8) | (h << 24));
        h = entry(H, index) ^ (h >>> 8);
      }
      low = l;
      high = h;
    },
    digest() {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32BE(~high >>> 0, 0);
      bytes.writeUInt32BE(~low >>> 0, 4);
      return bytes;
    },
  };
}

/** An element that is there: the indices above never leave their arrays. */
function entry(table: Int32Array, index: number): number {
  return table[index] as number;
}

function byte(chunk: Uint8Array, index: number): number {
  return chunk[index] as number;
}

function makeTable32(polynomial: number): Int32Array {
  const table = new Int32Array(SLICES * 256);
  for (let value = 0; value < 256; value++) {
    let crc = value;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    table[value] = crc;
  }
  for (let index = 256; index < table.length; index++) {
    const previous = entry(table, index - 256);
    table[index] = entry(table, previous & 0xff) ^ (previous >>> 8);
  }
  return table;
}

function makeTable64(polynomial: bigint): readonly [low: Int32Array, high: Int32Array] {
  const table = new BigUint64Array(SLICES * 256);
  for (let value = 0; value < 256; value++) {
    let crc = BigInt(value);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ polynomial : crc >> 1n;
    table[value] = crc;
  }
  for (let index = 256; index < table.length; index++) {
    const previous = table[index - 256] ?? 0n;
    table[index] = (table[Number(previous & 0xffn)] ?? 0n) ^ (previous >> 8n);
  }
  return [
    Int32Array.from(table, (crc) => Number(BigInt.asIntN(32, crc))),
    Int32Array.from(table, (crc) => Number(BigInt.asIntN(32, crc >> 32n))),
  ];
}
