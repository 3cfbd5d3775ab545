/**
 * Short texts of many entries in few large pieces of memory: as strings, each would weigh as much again. What is given up
 * leaves holes; a page that is mostly holes is emptied into others.
 */
export class Texts {
  readonly #pages: (Page | undefined)[] = [];
  readonly #onMoved: (owner: number, address: number) => void;
  #current: Page;

  /** @param onMoved told of the new address of an owner's text */
  constructor(onMoved: (owner: number, address: number) => void) {
    this.#onMoved = onMoved;
    this.#current = this.#open();
  }

  /** Keeps a copy of `source` from `start` to `end`, for a numbered owner, and gives its address. */
  add(owner: number, source: Buffer, start: number, end: number): number {
    const length = HEAD_BYTES + end - start;
    if (this.#current.end + length > PAGE_BYTES) this.#current = this.#open();
    const page = this.#current;
    const at = page.end;
    page.bytes.writeUInt32LE(owner, at);
    page.bytes.writeUInt16LE(end - start, at + 4);
    source.copy(page.bytes, at + HEAD_BYTES, start, end);
    page.end += length;
    page.used += length;
    return page.number * PAGE_BYTES + at;
  }

  /** The text itself: valid until something is added or removed. */
  at(address: number): Buffer {
    const page = this.#pageOf(address);
    const start = (address % PAGE_BYTES) + HEAD_BYTES;
    return page.bytes.subarray(start, start + page.bytes.readUInt16LE(start - 2));
  }

  remove(address: number): void {
    const page = this.#pageOf(address);
    const at = address % PAGE_BYTES;
    page.bytes.writeUInt32LE(NOBODY, at);
    page.used -= HEAD_BYTES + page.bytes.readUInt16LE(at + 4);
    if (page !== this.#current && page.used < PAGE_BYTES / 2) this.#empty(page);
  }

  #empty(page: Page): void {
    this.#pages[page.number] = undefined;
    for (let at = 0; at < page.end; ) {
      const owner = page.bytes.readUInt32LE(at);
      const end = at + HEAD_BYTES + page.bytes.readUInt16LE(at + 4);
      if (owner !== NOBODY) this.#onMoved(owner, this.add(owner, page.bytes, at + HEAD_BYTES, end));
      at = end;
    }
  }

  #open(): Page {
    const free = this.#pages.indexOf(undefined);
    const number = free < 0 ? this.#pages.length : free;
    const page = { number, bytes: Buffer.allocUnsafeSlow(PAGE_BYTES), end: 0, used: 0 };
    this.#pages[number] = page;
    return page;
  }

  #pageOf(address: number): Page {
    const page = this.#pages[Math.floor(address / PAGE_BYTES)];
    if (page === undefined) throw new Error(`no text at ${address}`);
    return page;
  }
}

interface Page {
  readonly number: number;
  readonly bytes: Buffer;
  /** Where the next text goes. */
  end: number;
  /** Bytes of texts that somebody owns. */
  used: number;
}

const PAGE_BYTES = 2 ** 20;
/** Before each text: whose it is, and how long. */
const HEAD_BYTES = 6;
const NOBODY = 0xffffffff;
