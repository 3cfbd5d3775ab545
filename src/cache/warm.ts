import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/** One object to be fetched into the cache. */
export interface WarmObject {
  readonly key: string;
  /** Undefined where only the key is known. */
  readonly size: number | undefined;
}

export interface WarmState {
  readonly id: string;
  state: 'listing' | 'running' | 'done' | 'failed';
  objects: number;
  objectsDone: number;
  objectsFailed: number;
  bytes: number;
  bytesDone: number;
}

export interface WarmJob {
  /** Pages of objects, in the order in which they are to be fetched. */
  readonly pages: AsyncIterable<readonly WarmObject[]>;
  /** Reads one object through the cache and gives the number of its bytes. */
  readonly read: (key: string, signal: AbortSignal) => Promise<Readable | Uint8Array | null>;
  /** Bytes a second; undefined for no limit. */
  readonly rate: number | undefined;
  readonly signal: AbortSignal;
}

const READERS = 4;

/** Begins to bring objects into the cache. The state is kept up to date until it is `done` or `failed`. */
export function warm(job: WarmJob): { readonly state: WarmState; readonly finished: Promise<void> } {
  const state: WarmState = {
    id: randomUUID(),
    state: 'listing',
    objects: 0,
    objectsDone: 0,
    objectsFailed: 0,
    bytes: 0,
    bytesDone: 0,
  };
  return { state, finished: run(job, state) };
}

async function run(job: WarmJob, state: WarmState): Promise<void> {
  const waiting: WarmObject[] = [];
  const started = performance.now();
  try {
    for await (const page of job.pages) {
      waiting.push(...page);
      state.objects += page.length;
      for (const { size } of page) state.bytes += size ?? 0;
    }
    state.state = 'running';
    const read = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const bytes = await readOne(next, job, state);
        if (next.size === undefined) state.bytes += bytes;
        // The average holds from object to object; within one the cache fetches as fast as it can.
        if (job.rate !== undefined) {
          const due = (state.bytesDone / job.rate) * 1000 - (performance.now() - started);
          if (due > 0) await delay(due, undefined, { signal: job.signal });
        }
      }
    };
    await Promise.all(Array.from({ length: READERS }, read));
    state.state = 'done';
  } catch {
    // What failed of single objects is counted; this is the listing, or the end of the gateway.
    state.state = 'failed';
  }
}

async function readOne({ key }: WarmObject, job: WarmJob, state: WarmState): Promise<number> {
  let bytes = 0;
  const count = (length: number) => {
    bytes += length;
    state.bytesDone += length;
  };
  try {
    const body = await job.read(key, job.signal);
    if (body instanceof Readable) {
      for await (const chunk of body as AsyncIterable<Uint8Array>) count(chunk.length);
    } else if (body !== null) {
      count(body.length);
    }
    state.objectsDone++;
  } catch {
    state.objectsFailed++;
  }
  return bytes;
}
