/**
 * Records of fixed length in large pieces of memory. A record's first `IMAGE_BYTES` are what the index file holds of it.
 *
 * | at | bytes | |
 * |---|---|---|
 * | 0 | 16 | id |
 * | 16 | 12 | name of the file: 8 of its version, 4 of its own |
 * | 28 | 1 | flags |
 * | 29 | 3 | number of its place |
 * | 32 | 2 | length of its ETag, which is the first part of its text; its key is the rest |
 * | 36 | 4 | address of its text |
 * | 40 | 8 | size |
 * | 48 | 8 | date of the object |
 * | 56 | 8 | when it was last confirmed |
 * | 64 | 8 | when it came here |
 * | 72 | 8 | when it was last used |
 * | 80 | 4 + 4 | the records used before and after it |
 */
export class Records {
  readonly #pages: Buffer[] = [];
  readonly #free: number[] = [];
  #count = 0;

  /** Records ever made: all numbers are below it. */
  get length(): number {
    return this.#count;
  }

  /** A record of whatever was there before. */
  add(): number {
    const record = this.#free.pop() ?? this.#count++;
    if (record >> PAGE_BITS >= this.#pages.length) {
      this.#pages.push(Buffer.allocUnsafeSlow(RECORD_BYTES << PAGE_BITS));
    }
    return record;
  }

  /** Its flags are none from then on. */
  remove(record: number): void {
    this.page(record)[this.at(record) + AT.flags] = 0;
    this.#free.push(record);
  }

  /** The memory that holds a record; where in it says `at`. */
  page(record: number): Buffer {
    const page = this.#pages[record >> PAGE_BITS];
    if (page === undefined) throw new Error(`no record ${record}`);
    return page;
  }

  at(record: number): number {
    return (record & (2 ** PAGE_BITS - 1)) * RECORD_BYTES;
  }
}

export const IMAGE_BYTES = 64;
export const PLACE_BYTES = 3;
export const AT = {
  id: 0,
  file: 16,
  flags: 28,
  place: 29,
  etagLength: 32,
  text: 36,
  size: 40,
  lastModified: 48,
  validatedAt: 56,
  storedAt: 64,
  usedAt: 72,
  before: 80,
  after: 84,
} as const;

export const FLAG = {
  /** It is one, and not free. */
  used: 1,
  /** It needs no asking before it is served. */
  confirmed: 2,
  /** Its file was there, or was made, since the start. */
  seen: 4,
} as const;

const RECORD_BYTES = 88;
const PAGE_BITS = 13;
