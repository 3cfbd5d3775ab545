import type { CacheResult } from './answer.ts';

/** What one rule's requests came to. */
export interface RuleStats {
  readonly rule: string;
  /** `GET hit`, `HEAD revalidated` and so on, to a count. */
  readonly requests: Readonly<Record<string, number>>;
  /** Bytes of GET answers by result. */
  readonly bytes: Readonly<Record<string, number>>;
  /** Bytes that came from the storage to fill. */
  readonly bytesFetched: number;
}

/** Counts since the start; all of them only grow. */
export interface CacheStats {
  readonly rules: readonly RuleStats[];
  readonly counters: Readonly<Record<Counter, number>>;
  /** Seconds for which what was evicted had been here: the sum, to be divided by `evictions`. */
  readonly evictedAge: number;
}

export const COUNTERS = [
  /** Questions whether a version is still the current one, and their answers. */
  'revalidations',
  'revalidationsChanged',
  /** Fills begun, and what became of them. */
  'fills',
  'fillsKept',
  'fillsOvertaken',
  'fillsFailed',
  /** Uploads whose bytes were kept as they passed. */
  'writesKept',
  'copiesKept',
  'evictions',
  /** Kept bytes found gone or damaged. */
  'damaged',
  /** Hits checked with the storage afterwards, and how many of them were wrong. */
  'verified',
  'verifiedStale',
  'diskErrors',
] as const;

export type Counter = (typeof COUNTERS)[number];

/** Counts what the cache does. */
export interface Recorder {
  request(rule: string, method: string, result: CacheResult, bytes: number): void;
  fetched(rule: string, bytes: number): void;
  count(counter: Counter, by?: number): void;
  evicted(ageSeconds: number): void;
  snapshot(): CacheStats;
}

export function createRecorder(): Recorder {
  const rules = new Map<
    string,
    { requests: Record<string, number>; bytes: Record<string, number>; bytesFetched: number }
  >();
  // Every name is a counter's.
  const counters = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<Counter, number>;
  let evictedAge = 0;
  const of = (rule: string) => {
    const found = rules.get(rule) ?? { requests: {}, bytes: {}, bytesFetched: 0 };
    rules.set(rule, found);
    return found;
  };
  return {
    request: (rule, method, result, bytes) => {
      const stats = of(rule);
      const name = `${method} ${result}`;
      stats.requests[name] = (stats.requests[name] ?? 0) + 1;
      if (method === 'GET') stats.bytes[result] = (stats.bytes[result] ?? 0) + bytes;
    },
    fetched: (rule, bytes) => {
      of(rule).bytesFetched += bytes;
    },
    count: (counter, by = 1) => {
      counters[counter] += by;
    },
    evicted: (ageSeconds) => {
      counters.evictions++;
      evictedAge += ageSeconds;
    },
    snapshot: () => ({
      rules: [...rules].map(([rule, stats]) => ({ rule, ...structuredClone(stats) })),
      counters: { ...counters },
      evictedAge,
    }),
  };
}
