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
  /** Told why the whole job failed; what single objects fail by is not. */
  readonly onFailure: (error: unknown) => void;
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
      for (const object of page) waiting.push(object);
      state.objects += page.length;
      for (const { size } of page) state.bytes += size ?? 0;
    }
    state.state = 'running';
    let index = 0;
    const read = async (): Promise<void> => {
      for (let next = waiting[index++]; next !== undefined; next = waiting[index++]) {
        signal.throwIfAborted();
        const bytes = await readOne(() => job.read(next.key, pace), state);
        if (next.size === undefined) state.bytes += bytes;
      }
    };
    await Promise.all(Array.from({ length: READERS }, read));
    state.state = 'done';
  } catch (error) {
    // What failed of single objects is counted; this is the listing, or the end of the gateway.
    state.state = 'failed';
    job.onFailure(error);
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
