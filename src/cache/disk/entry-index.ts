import type { VersionMark } from '../description.ts';
import type { ObjectName } from '../identity.ts';
import type { Stored } from '../store.ts';
import { Ids } from './ids.ts';
import { AT, FLAG, IMAGE_BYTES, PLACE_BYTES, Records } from './records.ts';
import { Texts } from './texts.ts';

/** One file of the disk cache, as it is in this moment. */
export interface DiskEntry extends Stored {
  /** Name of its file: 16 hexadecimal digits of its version and 8 of its own. */
  readonly file: string;
}

/** Small objects have a part of the space to themselves, so that large ones cannot push them all out. */
const SMALL_BYTES = 4 * 2 ** 20;
const SMALL_SHARE = 0.1;
const NONE = -1;

/** What a file takes: whole blocks of the file system, and one for its inode. */
export function spaceOf(size: number): number {
  return Math.ceil((size + 1024) / 4096) * 4096 + 4096;
}

/** The records of one class of size, from the one used longest ago. */
interface Line {
  first: number;
  last: number;
  bytes: number;
}

/**
 * All files, in two classes of size, each in the order of last use. Kept in plain memory: a million of them are 180 MB and
 * no work for the collector. Entries have numbers; one is another's after its own was removed.
 */
export class DiskIndex {
  readonly #records = new Records();
  readonly #texts = new Texts((number, address) => {
    this.#records.page(number).writeUInt32LE(address, this.#records.at(number) + AT.text);
  });
  readonly #ids = new Ids((number) => ({ bytes: this.#records.page(number), at: this.#records.at(number) }));
  readonly #places: Omit<ObjectName, 'key'>[] = [];
  readonly #placeNumbers = new Map<string, number>();
  readonly #small: Line = { first: NONE, last: NONE, bytes: 0 };
  readonly #large: Line = { first: NONE, last: NONE, bytes: 0 };
  readonly #scratch = Buffer.alloc(2 ** 17);
  #count = 0;

  get bytes(): number {
    return this.#small.bytes + this.#large.bytes;
  }

  get count(): number {
    return this.#count;
  }

  /** Where storages and buckets are, in the order of their numbers. */
  get places(): readonly Omit<ObjectName, 'key'>[] {
    return this.#places;
  }

  /** @param id hexadecimal. Undefined when there is none. */
  find(id: string): number | undefined {
    this.#scratch.write(id, 0, 'hex');
    return this.findAt(this.#scratch, 0);
  }

  /** The same, of an id of 16 bytes at a place. */
  findAt(bytes: Buffer, at: number): number | undefined {
    const number = this.#ids.find(bytes, at);
    return number < 0 ? undefined : number;
  }

  entry(number: number): DiskEntry {
    const page = this.#records.page(number);
    const at = this.#records.at(number);
    const text = this.#texts.at(page.readUInt32LE(at + AT.text));
    const etagLength = page.readUInt16LE(at + AT.etagLength);
    const place = this.#placeOf(page.readUIntLE(at + AT.place, PLACE_BYTES));
    return {
      id: page.toString('hex', at, at + AT.file),
      name: { ...place, key: text.toString('utf8', etagLength) },
      file: page.toString('hex', at + AT.file, at + AT.flags),
      etag: text.toString('utf8', 0, etagLength),
      size: page.readDoubleLE(at + AT.size),
      lastModified: page.readDoubleLE(at + AT.lastModified),
      validatedAt: page.readDoubleLE(at + AT.validatedAt),
      isConfirmed: this.#has(number, FLAG.confirmed),
      storedAt: page.readDoubleLE(at + AT.storedAt),
    };
  }

  /** Whether an entry is this version; cheaper than to make an object of it. */
  isVersion(number: number, { etag, size, lastModified }: VersionMark): boolean {
    const page = this.#records.page(number);
    const at = this.#records.at(number);
    if (page.readDoubleLE(at + AT.size) !== size || page.readDoubleLE(at + AT.lastModified) !== lastModified)
      return false;
    return (
      this.#texts.at(page.readUInt32LE(at + AT.text)).toString('utf8', 0, page.readUInt16LE(at + AT.etagLength)) ===
      etag
    );
  }

  /** Adds as the last used. What was there of the same object must have been removed. */
  add(entry: DiskEntry, usedAt: number): number {
    const { id, name, file, etag, size, lastModified, validatedAt, storedAt, isConfirmed } = entry;
    const image = this.#scratch;
    image.fill(0, 0, IMAGE_BYTES);
    image.write(id, AT.id, 'hex');
    image.write(file, AT.file, 'hex');
    image[AT.flags] = isConfirmed ? FLAG.confirmed : 0;
    image.writeUIntLE(this.placeNumber(name), AT.place, PLACE_BYTES);
    const etagLength = image.write(etag, IMAGE_BYTES);
    image.writeUInt16LE(etagLength, AT.etagLength);
    image.writeDoubleLE(size, AT.size);
    image.writeDoubleLE(lastModified, AT.lastModified);
    image.writeDoubleLE(validatedAt, AT.validatedAt);
    const end = IMAGE_BYTES + etagLength + image.write(name.key, IMAGE_BYTES + etagLength);
    const number = this.addImage(image, 0, end, storedAt);
    this.#write(number, AT.usedAt, usedAt);
    this.mark(number);
    return number;
  }

  /** Adds what `image` gave. @param end of its text */
  addImage(image: Buffer, at: number, end: number, storedAt: number): number {
    const number = this.#records.add();
    const page = this.#records.page(number);
    const own = this.#records.at(number);
    image.copy(page, own, at, at + IMAGE_BYTES);
    page[own + AT.flags] = FLAG.used | (image.readUInt8(at + AT.flags) & FLAG.confirmed);
    page.writeUInt32LE(this.#texts.add(number, image, at + IMAGE_BYTES, end), own + AT.text);
    page.writeDoubleLE(storedAt, own + AT.storedAt);
    page.writeDoubleLE(storedAt, own + AT.usedAt);
    this.#ids.add(number);
    this.#append(number);
    this.#count++;
    return number;
  }

  /** Writes image and text of an entry, behind one another, and gives the place behind them. */
  copyImage(number: number, target: Buffer, at: number): number {
    const page = this.#records.page(number);
    const own = this.#records.at(number);
    page.copy(target, at, own, own + IMAGE_BYTES);
    return at + IMAGE_BYTES + this.#texts.at(page.readUInt32LE(own + AT.text)).copy(target, at + IMAGE_BYTES);
  }

  remove(number: number): void {
    this.#cut(number);
    this.#ids.remove(number);
    this.#texts.remove(this.#records.page(number).readUInt32LE(this.#records.at(number) + AT.text));
    this.#records.remove(number);
    this.#count--;
  }

  /** Makes it the last used, and gives when it was used before. */
  use(number: number, at: number): number {
    const before = this.#read(number, AT.usedAt);
    this.#cut(number);
    this.#append(number);
    this.#write(number, AT.usedAt, at);
    return before;
  }

  /** It needs no asking as of now, and gives when it was confirmed before. */
  confirm(number: number, validatedAt: number): number {
    const before = this.#read(number, AT.validatedAt);
    this.setValidatedAt(number, validatedAt);
    this.#setFlags(number, FLAG.confirmed, 0);
    return before;
  }

  setValidatedAt(number: number, at: number): void {
    this.#write(number, AT.validatedAt, at);
  }

  doubt(number: number): void {
    this.#setFlags(number, 0, FLAG.confirmed);
  }

  /** Its file is there. */
  mark(number: number): void {
    this.#setFlags(number, FLAG.seen, 0);
  }

  isMarked(number: number): boolean {
    return this.#has(number, FLAG.seen);
  }

  /** All of a bucket need asking. */
  doubtAll(place: string, bucket: string): void {
    const concerned = this.#places.map((each) => each.place === place && each.bucket === bucket);
    for (const number of this.numbers()) {
      const placeNumber = this.#records.page(number).readUIntLE(this.#records.at(number) + AT.place, PLACE_BYTES);
      if (concerned[placeNumber] === true) this.doubt(number);
    }
  }

  /** What should go next, when `limit` bytes are all there is. */
  victim(limit: number): number | undefined {
    const [small, large] = [this.#small.first, this.#large.first];
    if (small === NONE && large === NONE) return undefined;
    if (small === NONE || large === NONE) return small === NONE ? large : small;
    if (this.#small.bytes <= limit * SMALL_SHARE) return large;
    return this.#read(small, AT.usedAt) < this.#read(large, AT.usedAt) ? small : large;
  }

  /** All there are; what comes or goes meanwhile may be among them or not. */
  *numbers(): Iterable<number> {
    for (let number = 0; number < this.#records.length; number++) {
      if (this.#has(number, FLAG.used)) yield number;
    }
  }

  /** Those there are in this moment, those used longest ago first. */
  inOrder(): Int32Array {
    const order = new Int32Array(this.#count);
    let index = 0;
    for (const { first } of [this.#small, this.#large]) {
      for (let number = first; number !== NONE; number = this.#link(number, AT.after)) order[index++] = number;
    }
    return order;
  }

  /** Whether it is an entry still. */
  isUsed(number: number): boolean {
    return this.#has(number, FLAG.used);
  }

  /** The number that stands for all of a name but its key. */
  placeNumber({ storage, place, bucket }: Omit<ObjectName, 'key'>): number {
    const text = JSON.stringify([storage, place, bucket]);
    const known = this.#placeNumbers.get(text);
    if (known !== undefined) return known;
    this.#placeNumbers.set(text, this.#places.length);
    return this.#places.push({ storage, place, bucket }) - 1;
  }

  #placeOf(number: number): Omit<ObjectName, 'key'> {
    const place = this.#places[number];
    if (place === undefined) throw new Error(`no place ${number}`);
    return place;
  }

  #lineOf(number: number): Line {
    return this.#read(number, AT.size) <= SMALL_BYTES ? this.#small : this.#large;
  }

  #append(number: number): void {
    const line = this.#lineOf(number);
    line.bytes += spaceOf(this.#read(number, AT.size));
    this.#setLink(number, AT.before, line.last);
    this.#setLink(number, AT.after, NONE);
    if (line.last === NONE) line.first = number;
    else this.#setLink(line.last, AT.after, number);
    line.last = number;
  }

  #cut(number: number): void {
    const line = this.#lineOf(number);
    line.bytes -= spaceOf(this.#read(number, AT.size));
    const [before, after] = [this.#link(number, AT.before), this.#link(number, AT.after)];
    if (before === NONE) line.first = after;
    else this.#setLink(before, AT.after, after);
    if (after === NONE) line.last = before;
    else this.#setLink(after, AT.before, before);
  }

  #read(number: number, offset: number): number {
    return this.#records.page(number).readDoubleLE(this.#records.at(number) + offset);
  }

  #write(number: number, offset: number, value: number): void {
    this.#records.page(number).writeDoubleLE(value, this.#records.at(number) + offset);
  }

  #link(number: number, offset: number): number {
    return this.#records.page(number).readInt32LE(this.#records.at(number) + offset);
  }

  #setLink(number: number, offset: number, value: number): void {
    this.#records.page(number).writeInt32LE(value, this.#records.at(number) + offset);
  }

  #has(number: number, flag: number): boolean {
    return (this.#records.page(number).readUInt8(this.#records.at(number) + AT.flags) & flag) !== 0;
  }

  #setFlags(number: number, set: number, clear: number): void {
    const page = this.#records.page(number);
    const at = this.#records.at(number) + AT.flags;
    page[at] = (page.readUInt8(at) | set) & ~clear;
  }
}
