/**
 * Which record an object has: a hash table over ids of 16 random bytes, in as many parts as the first byte has values, so
 * that growing one is nothing.
 */
export class Ids {
  readonly #parts: Part[] = Array.from({ length: 256 }, () => ({ slots: new Int32Array(32), count: 0 }));
  readonly #idOf: (record: number) => Place;

  /** @param idOf where a record's id lies */
  constructor(idOf: (record: number) => Place) {
    this.#idOf = idOf;
  }

  /** The record of the id that lies at `at`; -1 when there is none. */
  find(bytes: Buffer, at: number): number {
    const { slots } = this.#partOf(bytes, at);
    const tag = tagOf(bytes, at);
    for (let slot = homeOf(tag, slots); ; slot = nextOf(slot, slots)) {
      const record = (slots[slot] ?? 0) - 1;
      if (record < 0) return -1;
      // Most others are told by this, without a look at their records.
      if (slots[slot + 1] !== tag) continue;
      const own = this.#idOf(record);
      if (own.bytes.compare(bytes, at, at + ID_BYTES, own.at, own.at + ID_BYTES) === 0) return record;
    }
  }

  /** Adds a record whose id is not here. */
  add(record: number): void {
    const { bytes, at } = this.#idOf(record);
    const part = this.#partOf(bytes, at);
    if (part.count * 8 >= part.slots.length * 3) grow(part);
    insert(part.slots, record + 1, tagOf(bytes, at));
    part.count++;
  }

  /** Takes out a record that is here, while its id can still be read. */
  remove(record: number): void {
    const { bytes, at } = this.#idOf(record);
    const part = this.#partOf(bytes, at);
    const { slots } = part;
    let hole = homeOf(tagOf(bytes, at), slots);
    while (slots[hole] !== record + 1) hole = nextOf(hole, slots);
    // Those behind move up, unless they would come before the place where they are looked for.
    for (let slot = nextOf(hole, slots); slots[slot] !== 0; slot = nextOf(slot, slots)) {
      const home = homeOf(slots[slot + 1] ?? 0, slots);
      if (distance(home, slot, slots) < distance(hole, slot, slots)) continue;
      slots[hole] = slots[slot] ?? 0;
      slots[hole + 1] = slots[slot + 1] ?? 0;
      hole = slot;
    }
    slots[hole] = 0;
    part.count--;
  }

  #partOf(bytes: Buffer, at: number): Part {
    const part = this.#parts[bytes[at] ?? 0];
    if (part === undefined) throw new Error('an id of no bytes');
    return part;
  }
}

/** Bytes within a buffer. */
export interface Place {
  readonly bytes: Buffer;
  readonly at: number;
}

interface Part {
  /** Pairs: a record plus one, or 0 where there is none, and four bytes of its id. A power of two of them. */
  slots: Int32Array;
  count: number;
}

const ID_BYTES = 16;

function tagOf(bytes: Buffer, at: number): number {
  return bytes.readInt32LE(at + 1);
}

function homeOf(tag: number, slots: Int32Array): number {
  return (tag << 1) & (slots.length - 2);
}

function nextOf(slot: number, slots: Int32Array): number {
  return (slot + 2) & (slots.length - 1);
}

function distance(from: number, to: number, slots: Int32Array): number {
  return (to - from) & (slots.length - 1);
}

function insert(slots: Int32Array, entry: number, tag: number): void {
  let slot = homeOf(tag, slots);
  while (slots[slot] !== 0) slot = nextOf(slot, slots);
  slots[slot] = entry;
  slots[slot + 1] = tag;
}

function grow(part: Part): void {
  const { slots } = part;
  part.slots = new Int32Array(slots.length * 2);
  for (let slot = 0; slot < slots.length; slot += 2) {
    const entry = slots[slot] ?? 0;
    if (entry !== 0) insert(part.slots, entry, slots[slot + 1] ?? 0);
  }
}
