import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { createPace, type Pace } from './pace.ts';

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
  /** Reads one object through the cache; what has to be fetched comes at that pace. */
  readonly read: (key: string, pace: Pace | undefined) => Promise<Readable | Uint8Array | null>;
  /** Bytes a second, of all objects together, at any time; undefined for no limit. What is here already does not count. */
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
  const { rate, signal } = job;
  const pace = rate === undefined ? undefined : createPace({ rate, signal });
  try {
    for await (const page of job.pages) {
      waiting.push(...page);
      state.objects += page.length;
      for (const { size } of page) state.bytes += size ?? 0;
    }
    state.state = 'running';
    const read = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        signal.throwIfAborted();
        const bytes = await readOne(() => job.read(next.key, pace), state);
        if (next.size === undefined) state.bytes += bytes;
      }
    };
    await Promise.all(Array.from({ length: READERS }, read));
    state.state = 'done';
  } catch {
    // What failed of single objects is counted; this is the listing, or the end of the gateway.
    state.state = 'failed';
  }
}

async function readOne(read: () => ReturnType<WarmJob['read']>, state: WarmState): Promise<number> {
  let bytes = 0;
  const count = (length: number) => {
    bytes += length;
    state.bytesDone += length;
  };
  try {
    const body = await read();
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
