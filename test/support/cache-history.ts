import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { S3Error } from '../../src/s3/error.ts';
import { TransportFailure } from '../../src/s3/failure.ts';
import type { CacheVendor, Interference } from './cache-vendor.ts';
import type { Door } from './history-doors.ts';
import { HistoryOperations } from './history-operations.ts';
import { StorageLog } from './storage-log.ts';

export interface HistoryOptions {
  readonly doors: readonly Door[];
  readonly vendor: CacheVendor;
  /** Undefined: until `stop` is called. */
  readonly operations?: number;
  readonly seed: number;
  /** As the storage knows them. */
  readonly keys: readonly string[];
  /** The keys that are changed behind the cache's back as well. */
  readonly shared: readonly string[];
  /** The key of objects that come in parallel stretches, which is used rarely. */
  readonly large?: string;
  readonly workers?: number;
  /** Trouble that comes at random times, from what happens often to what is rare. */
  readonly faults?: HistoryFaults;
}

export interface HistoryFaults {
  /** The storage refuses connections for a while; awaited when it is back. */
  readonly onReturn?: () => void;
  /** Does something to the cache's disk. */
  readonly onDisk?: (random: () => number) => void;
}

export interface HistoryResult {
  /** What no moment of the storage explains; empty when all is right. */
  readonly wrong: readonly string[];
  /** Operations with their results, to a count. */
  readonly results: Readonly<Record<string, number>>;
  /** Answers to reads, refusals and broken bodies among them. */
  readonly reads: number;
  /** Reads that were refused with 503. */
  readonly refused: number;
  /** Bodies that broke off. */
  readonly broken: number;
}

/** Answers that are never given back, but the write is made. */
const UNHEARD = 0.05;
/** Bodies that the storage breaks off. */
const CUT = 0.02;
/** Of the storage's absences, and its disk's troubles, one to so many operations. */
const OUTAGE_EVERY = 150;
const DISK_EVERY = 40;
/** Operations during an absence. */
const OUTAGE = 30;

/**
 * Runs random operations at once, and holds every answer against the storage's own log.
 */
export async function checkHistory(options: HistoryOptions): Promise<HistoryResult> {
  return new History(options).run();
}

export class History {
  readonly #options: HistoryOptions;
  readonly #random: () => number;
  readonly #operations: HistoryOperations;
  #started = 0;
  #isStopped = false;
  #isAway = false;

  constructor(options: HistoryOptions) {
    const { vendor, seed } = options;
    this.#options = options;
    this.#random = generator(seed);
    this.#operations = new HistoryOperations({ ...options, log: new StorageLog(vendor), random: this.#random });
    vendor.interfere = (request) => this.#interfere(request.method);
  }

  /** Resolves when all operations are over; may be called again then. */
  async run(): Promise<HistoryResult> {
    this.#isStopped = false;
    await Promise.all(Array.from({ length: this.#options.workers ?? 8 }, () => this.#work()));
    return this.result;
  }

  /** Reads every object through every door. */
  async readAll(): Promise<void> {
    const { doors, keys, large = [] } = this.#options;
    for (const door of doors) {
      for (const key of [...keys, large].flat()) await this.#operations.readWhole(door, key);
    }
  }

  get result(): HistoryResult {
    return this.#operations.result;
  }

  /** No operation begins any more. */
  stop(): void {
    this.#isStopped = true;
  }

  async #work(): Promise<void> {
    const { operations = Number.POSITIVE_INFINITY, faults } = this.#options;
    while (this.#started < operations && !this.#isStopped) {
      this.#started++;
      if (faults?.onReturn !== undefined) this.#leaveAndReturn(faults.onReturn);
      if (faults?.onDisk !== undefined && this.#random() < 1 / DISK_EVERY) faults.onDisk(this.#random);
      await this.#operations.next();
    }
  }

  #leaveAndReturn(onReturn: () => void): void {
    const phase = this.#started % OUTAGE_EVERY;
    if (phase === OUTAGE_EVERY - OUTAGE) this.#isAway = true;
    if (phase !== 0 || !this.#isAway) return;
    this.#isAway = false;
    onReturn();
  }

  #interfere(method: string): Interference {
    const isUnheard = method !== 'GET' && this.#random() < UNHEARD;
    const cutAt = method === 'GET' && this.#random() < CUT ? this.#random() * 200_000 : undefined;
    const refuse = () => {
      const cause = new TransportFailure('connect', 'ECONNREFUSED', undefined);
      if (this.#isAway) throw new S3Error('ServiceUnavailable', { cause });
    };
    return {
      before: async () => {
        refuse();
        await this.#pause();
        refuse();
      },
      after: async () => {
        await this.#pause();
        // Done, but nobody hears of it.
        if (isUnheard) throw new S3Error('ServiceUnavailable');
      },
      ...(cutAt !== undefined && {
        body: (body) => Readable.from(cut(body, cutAt), { objectMode: false }),
      }),
    };
  }

  async #pause(): Promise<void> {
    for (let turns = Math.floor(this.#random() * 6); turns > 0; turns--) await turn();
  }
}

async function* cut(body: Readable, at: number): AsyncIterable<Buffer> {
  let sent = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sent += chunk.length;
    if (sent > at) throw new S3Error('ServiceUnavailable');
    yield chunk;
  }
}

/** A sequence of numbers from 0 to 1 that is the same for the same seed. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
