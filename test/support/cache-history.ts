import { setImmediate as turn } from 'node:timers/promises';
import type { CacheRule } from '../../src/cache/rules.ts';
import { S3Error } from '../../src/s3/error.ts';
import type { Handler } from '../../src/s3/message.ts';
import { type CacheVendor, md5 } from './cache-vendor.ts';
import { send } from './cached.ts';
import { generatedBytes } from './generated.ts';

export interface HistoryOptions {
  readonly handler: Handler;
  readonly vendor: CacheVendor;
  readonly operations: number;
  readonly seed: number;
  /** Whether objects are changed behind the cache's back as well. */
  readonly isShared: boolean;
  readonly keys?: number;
  readonly workers?: number;
}

export interface HistoryResult {
  /** What no moment of the storage explains; empty when all is right. */
  readonly wrong: readonly string[];
  readonly reads: number;
  /** Bodies that broke off. */
  readonly broken: number;
  readonly results: Readonly<Record<string, number>>;
}

/** What the storage held of a key from a moment on. */
interface State {
  readonly from: number;
  readonly etag: string | undefined;
}

const SIZES = [0, 1, 1000, 70_000, 262_144, 300_000];

/**
 * Runs random operations at once, and holds every answer against the storage's own history: a read is right when the
 * storage held just that between its begin and its end. Moments are counted, not timed.
 */
export async function checkHistory(options: HistoryOptions): Promise<HistoryResult> {
  const { handler, vendor, operations, seed, isShared } = options;
  const random = generator(seed);
  const keys = Array.from({ length: options.keys ?? 4 }, (_, index) => `key-${index}`);
  const history = new Map<string, State[]>(keys.map((key) => [key, [{ from: 0, etag: undefined }]]));
  const bytesOf = new Map<string, Buffer>();
  const wrong: string[] = [];
  const results: Record<string, number> = {};
  let moment = 1;
  let reads = 0;
  let broken = 0;
  let version = 0;
  let started = 0;

  const note = (key: string) => {
    const states = history.get(key);
    const etag = vendor.get(key)?.etag;
    if (states === undefined || states.at(-1)?.etag === etag) return;
    moment++;
    states.push({ from: moment, etag });
  };
  const pause = async (): Promise<void> => {
    for (let turns = Math.floor(random() * 6); turns > 0; turns--) await turn();
  };
  vendor.interfere = (request) => {
    const fails = request.method !== 'GET' && random() < 0.05;
    return {
      before: pause,
      after: async () => {
        // The moment of a change: the vendor has made it, and nothing else ran since.
        if (request.key !== undefined) note(request.key);
        await pause();
        // Done, but nobody hears of it.
        if (fails) throw new S3Error('ServiceUnavailable');
      },
    };
  };
  const fresh = (): Buffer => {
    version++;
    const bytes = generatedBytes((SIZES[Math.floor(random() * SIZES.length)] ?? 0) + 8, version);
    bytes.writeUInt32LE(version);
    bytesOf.set(md5(bytes), bytes);
    return bytes;
  };

  const read = async (key: string): Promise<void> => {
    const isHead = random() < 0.2;
    const range = random() < 0.3 ? `bytes=${Math.floor(random() * 8)}-` : undefined;
    const begin = moment;
    const answer = await send(handler, {
      method: isHead ? 'HEAD' : 'GET',
      key,
      ...(range !== undefined && !isHead && { headers: { range } }),
    });
    const end = moment;
    reads++;
    const result = `${isHead ? 'HEAD' : 'GET'} ${answer.result}`;
    results[result] = (results[result] ?? 0) + 1;
    if (answer.status === 0) broken++;
    if (answer.status === 503 || answer.status === 0) return;
    const etag = answer.status === 404 ? undefined : answer.headers.get('etag')?.slice(1, -1);
    const held = statesBetween(history.get(key) ?? [], begin, end);
    if (!held.includes(etag)) {
      wrong.push(
        `${result} ${answer.status} ${answer.code ?? ''} ${range ?? ''} ${key} from ${begin} to ${end}: ${etag}, but it held ${held.join(' then ')}`,
      );
    }
    if (isHead || etag === undefined) return;
    const whole = bytesOf.get(etag) ?? Buffer.alloc(0);
    const due = range === undefined ? whole : whole.subarray(Number(/\d+/.exec(range)?.[0]));
    if (!answer.bytes.equals(due)) wrong.push(`${result} ${key}: other bytes than those of ${etag}`);
  };
  const write = async (key: string): Promise<void> => {
    const kind = random();
    if (kind < 0.7) await send(handler, { method: 'PUT', key, body: fresh() });
    else if (kind < 0.85) await send(handler, { method: 'DELETE', key });
    else {
      const source = keys[Math.floor(random() * keys.length)] ?? '';
      await send(handler, { method: 'PUT', key, headers: { 'x-amz-copy-source': `/bucket/${source}` } });
    }
  };
  const meddle = (key: string): void => {
    if (random() < 0.8) vendor.put(key, fresh());
    else vendor.delete(key);
    note(key);
  };
  const work = async (): Promise<void> => {
    while (started < operations) {
      started++;
      const key = keys[Math.floor(random() * keys.length)] ?? '';
      const kind = random();
      if (kind < 0.7) await read(key);
      else if (kind < 0.85 || !isShared) await write(key);
      else meddle(key);
    }
  };
  await Promise.all(Array.from({ length: options.workers ?? 8 }, work));
  vendor.interfere = undefined;
  return { wrong, reads, broken, results };
}

function statesBetween(states: readonly State[], begin: number, end: number): (string | undefined)[] {
  return states
    .filter((state, index) => state.from <= end && (states[index + 1]?.from ?? Number.POSITIVE_INFINITY) > begin)
    .map(({ etag }) => etag);
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

/** Rules without stale answers, under which nobody may see anything but the truth, and whether others may write as well. */
export const HISTORY_RULES: Readonly<
  Record<string, { readonly rules: readonly CacheRule[]; readonly isShared: boolean }>
> = {
  revalidate: { rules: [{ match: '**', mode: 'revalidate', staleIfError: 0 }], isShared: true },
  immutable: { rules: [{ match: '**', mode: 'immutable', staleIfError: 0 }], isShared: false },
  exclusive: { rules: [{ match: '**', mode: 'exclusive', staleIfError: 0 }], isShared: false },
  ttl: { rules: [{ match: '**', mode: 'ttl', maxAge: 60_000, staleIfError: 0 }], isShared: false },
};
