import { headersOf } from '../../src/s3/headers.ts';
import { childText, parseXml } from '../../src/s3/xml.ts';
import type { HistoryResult } from './cache-history.ts';
import { type CacheVendor, md5, type VendorObject } from './cache-vendor.ts';
import type { CachedAnswer } from './cached.ts';
import type { Door, DoorRequest } from './history-doors.ts';
import type { StorageLog } from './storage-log.ts';

type ReadRequest = DoorRequest & Required<Pick<DoorRequest, 'headers'>>;

export interface OperationsOptions {
  readonly doors: readonly Door[];
  readonly vendor: CacheVendor;
  readonly log: StorageLog;
  readonly random: () => number;
  readonly keys: readonly string[];
  readonly shared: readonly string[];
  readonly large?: string;
}

const SIZES = [0, 1, 1000, 70_000, 262_144, 300_000, 600_000];
/** Just enough for parallel stretches. */
const LARGE_BYTES = 33 * 2 ** 20;
/** One operation to so many is on the large object. */
const LARGE_EVERY = 200;

/** How often each kind of operation comes, of 100. */
const KINDS = {
  read: 64,
  put: 9,
  delete: 3,
  deleteMany: 2,
  copy: 5,
  upload: 5,
  meddle: 12,
} as const satisfies Readonly<Record<string, number>>;

/** Random operations through several doors and behind their backs, each answer judged. */
export class HistoryOperations {
  readonly #options: OperationsOptions;
  readonly #random: () => number;
  readonly #wrong: string[] = [];
  readonly #results: Record<string, number> = {};
  #reads = 0;
  #refused = 0;
  #broken = 0;
  #version = 0;

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.#random = options.random;
  }

  get result(): HistoryResult {
    const [wrong, results] = [this.#wrong, this.#results];
    return { wrong, results, reads: this.#reads, refused: this.#refused, broken: this.#broken };
  }

  /** Does one operation, or one upload in parts. */
  async next(): Promise<void> {
    const { shared } = this.#options;
    const key = this.#key();
    let share = this.#random() * 100;
    for (const [kind, each] of Object.entries(KINDS)) {
      share -= each;
      if (share > 0) continue;
      if (kind === 'meddle' && shared.includes(key)) return this.#meddle(key);
      // Every name is one of the table.
      return this.#do(kind as keyof typeof KINDS, key);
    }
  }

  async #do(kind: keyof typeof KINDS, key: string): Promise<void> {
    const door = this.#pick(this.#options.doors);
    switch (kind) {
      case 'read':
      case 'meddle':
        return this.#read(door, key);
      case 'put': {
        const body = this.#bytes(key);
        await this.#write(door, key, { method: 'PUT', body, headers: this.#metadata() }, md5(body));
        return;
      }
      case 'delete':
        await this.#write(door, key, { method: 'DELETE' }, undefined);
        return;
      case 'deleteMany':
        return this.#deleteMany(door);
      case 'copy': {
        const source = { 'x-amz-copy-source': `/${door.bucket}/${this.#nameOf(door, this.#key())}` };
        const isReplaced = this.#random() < 0.5;
        const headers = isReplaced ? { ...source, 'x-amz-metadata-directive': 'REPLACE', ...this.#metadata() } : source;
        await this.#write(door, key, { method: 'PUT', headers });
        return;
      }
      case 'upload':
        return this.#upload(door, key);
      default:
        return kind satisfies never;
    }
  }

  async readWhole(door: Door, key: string): Promise<void> {
    await this.#ask(door, key, { method: 'GET', headers: {} });
  }

  async #read(door: Door, key: string): Promise<void> {
    const { log, vendor } = this.#options;
    const method = this.#random() < 0.2 ? 'HEAD' : 'GET';
    const known = this.#random() < 0.7 ? vendor.get(key) : log.earlier(key);
    const headers = { ...this.#range(known), ...this.#condition(known), ...this.#control() };
    const leaves = method === 'GET' && this.#random() < 0.05;
    await this.#ask(door, key, { method, headers, leaves });
  }

  async #ask(door: Door, key: string, request: Omit<ReadRequest, 'key'>): Promise<void> {
    const { log } = this.#options;
    const { method, headers, leaves } = request;
    const span = log.begin(key);
    const answer = await door.send({ ...request, key: this.#nameOf(door, key) });
    log.end(span);
    if (leaves === true) return;
    this.#reads++;
    this.#count(`${method} ${answer.status} ${answer.result ?? ''}`);
    if (answer.status === 0) this.#broken++;
    if (answer.status === 503) this.#refused++;
    if (answer.status === 0 || answer.status === 503) return;
    const fault = log.judge(span, key, { method, headers: headersOf(headers) }, answer);
    if (fault !== undefined) this.#wrong.push(`${method} ${key} ${JSON.stringify(headers)}: ${fault}`);
  }

  /** @param etag that the storage must have held; undefined for none, left out where only the answer tells */
  async #write(
    door: Door,
    key: string,
    request: DoorRequest,
    ...due: [etag?: string | undefined]
  ): Promise<string | undefined> {
    const { log } = this.#options;
    const span = log.begin(key);
    const answer = await door.send({ ...request, key: this.#nameOf(door, key) });
    log.end(span);
    const { method, query } = request;
    this.#count(`${request.headers?.['x-amz-copy-source'] === undefined ? method : 'COPY'} ${answer.status}`);
    if (answer.status === 0 || answer.status >= 300) return undefined;
    const told = etagOf(answer);
    const etag = due.length > 0 ? due[0] : told;
    if (!log.wrote(span, key, etag)) this.#wrong.push(`${method} ${key}?${query}: ${etag} was never there`);
    if (method !== 'DELETE' && told !== etag) this.#wrong.push(`${method} ${key}?${query} says ${told}, not ${etag}`);
    return etag;
  }

  async #deleteMany(door: Door): Promise<void> {
    const { log } = this.#options;
    const keys = [...new Set([this.#key(), this.#key()])];
    const objects = keys.map((key) => `<Object><Key>${this.#nameOf(door, key)}</Key></Object>`).join('');
    const body = Buffer.from(`<Delete><Quiet>true</Quiet>${objects}</Delete>`);
    const spans = keys.map((key) => log.begin(key));
    const headers = { 'content-md5': Buffer.from(md5(body), 'hex').toString('base64') };
    const answer = await door.send({ method: 'POST', query: 'delete', headers, body });
    for (const span of spans) log.end(span);
    this.#count(`DELETE-MANY ${answer.status}`);
    if (answer.status !== 200 || answer.bytes.includes('<Error>')) return;
    for (const [index, key] of keys.entries()) {
      const span = spans[index];
      if (span !== undefined && !log.wrote(span, key, undefined))
        this.#wrong.push(`DeleteObjects: ${key} was there all the time`);
    }
  }

  /** An upload in parts: some copied, some sent again, and not all completed. */
  async #upload(door: Door, key: string): Promise<void> {
    const name = this.#nameOf(door, key);
    const begun = await door.send({ method: 'POST', key: name, query: 'uploads' });
    this.#count(`CREATE ${begun.status}`);
    if (begun.status !== 200) return;
    const uploadId = childText(parseXml(begun.bytes), 'UploadId') ?? '';
    const numbers = Array.from({ length: 1 + Math.floor(this.#random() * 3) }, (_, index) => index + 1);
    const etags = await Promise.all(numbers.map((number) => this.#part(door, name, uploadId, number)));
    const again = this.#random() < 0.2 ? await this.#part(door, name, uploadId, 1) : undefined;
    if (again !== undefined) etags[0] = again;
    if (this.#random() < 0.2 || etags.includes(undefined)) {
      const { status } = await door.send({ method: 'DELETE', key: name, query: `uploadId=${uploadId}` });
      this.#count(`ABORT ${status}`);
      return;
    }
    const parts = etags.map(
      (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>"${etag}"</ETag></Part>`,
    );
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`);
    await this.#write(door, key, { method: 'POST', query: `uploadId=${uploadId}`, body });
  }

  async #part(door: Door, name: string, uploadId: string, number: number): Promise<string | undefined> {
    const query = `partNumber=${number}&uploadId=${uploadId}`;
    if (this.#random() < 0.5) {
      const body = this.#bytes('');
      const answer = await door.send({ method: 'PUT', key: name, query, body });
      this.#count(`PART ${answer.status}`);
      if (answer.status !== 200) return undefined;
      if (etagOf(answer) !== md5(body)) this.#wrong.push(`part ${number} of ${name} says ${etagOf(answer)}`);
      return etagOf(answer);
    }
    const source = this.#key();
    const size = this.#options.vendor.get(source)?.bytes.length ?? 0;
    const isRange = size > 0 && this.#random() < 0.5;
    const start = Math.floor(this.#random() * size);
    const headers = {
      'x-amz-copy-source': `/${door.bucket}/${this.#nameOf(door, source)}`,
      ...(isRange && { 'x-amz-copy-source-range': `bytes=${start}-${size - 1}` }),
    };
    const answer = await door.send({ method: 'PUT', key: name, query, headers });
    this.#count(`PART-COPY ${answer.status}`);
    return answer.status === 200 ? etagOf(answer) : undefined;
  }

  #meddle(key: string): void {
    const { vendor } = this.#options;
    const kind = this.#random();
    const there = vendor.get(key);
    if (kind < 0.2) vendor.delete(key);
    // The same bytes under another date.
    else if (kind < 0.4 && there !== undefined) vendor.put(key, there.bytes, this.#metadata());
    else vendor.put(key, this.#bytes(key), this.#metadata());
  }

  #key(): string {
    const { keys, large } = this.#options;
    return large !== undefined && this.#random() < 1 / LARGE_EVERY ? large : this.#pick(keys);
  }

  #nameOf({ prefix }: Door, key: string): string {
    return key.slice(prefix.length);
  }

  #pick<T>(choices: readonly T[]): T {
    // In range, as `random` stays below 1.
    return choices[Math.floor(this.#random() * choices.length)] as T;
  }

  #range(known: VendorObject | undefined): Readonly<Record<string, string>> {
    if (this.#random() < 0.5) return {};
    const size = known?.bytes.length ?? 0;
    const [first, second] = [this.#random(), this.#random()].map((share) => Math.floor(share * size * 1.05));
    const [start = 0, end = 0] = [first ?? 0, second ?? 0].sort((a, b) => a - b);
    return {
      range: this.#pick([`bytes=${start}-`, `bytes=${start}-${end}`, `bytes=-${end}`, 'bytes=0-', 'bytes=0-0']),
    };
  }

  #condition(known: VendorObject | undefined): Readonly<Record<string, string>> {
    if (known === undefined || this.#random() < 0.6) return {};
    const etag = `"${known.etag}"`;
    const date = known.lastModified.toUTCString();
    return this.#pick([
      { 'if-match': etag },
      { 'if-none-match': etag },
      { 'if-range': etag },
      { 'if-range': date },
      { 'if-modified-since': date },
      { 'if-unmodified-since': date },
    ] as readonly Readonly<Record<string, string>>[]);
  }

  #control(): Readonly<Record<string, string>> {
    const kind = this.#random();
    if (kind < 0.05) return { 'cache-control': 'no-cache' };
    return kind < 0.08 ? { 'cache-control': 'no-store' } : {};
  }

  #metadata(): Readonly<Record<string, string>> {
    return { 'content-type': this.#pick(['text/plain', 'application/zip']), 'x-amz-meta-made': String(this.#version) };
  }

  /** Bytes that no other version has at any place of it. */
  #bytes(key: string): Buffer {
    this.#version++;
    const size = key === this.#options.large ? LARGE_BYTES : this.#pick(SIZES);
    const bytes = Buffer.alloc(size + 8, `${this.#version} ${md5(Buffer.from(String(this.#version)))}`);
    for (let at = 0; at + 4 <= bytes.length; at += 4096) bytes.writeUInt32LE(at, at);
    return bytes;
  }

  #count(name: string): void {
    this.#results[name] = (this.#results[name] ?? 0) + 1;
  }
}

function etagOf({ headers, bytes }: CachedAnswer): string | undefined {
  const etag = headers.get('etag') ?? (bytes.length > 0 ? childText(parseXml(bytes), 'ETag') : undefined);
  return etag?.replaceAll('"', '');
}
