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
  /** Questions whether what is here is still the current version, by answer. One answers all who wait for it. */
  readonly revalidations: Readonly<Record<'unchanged' | 'changed', number>>;
  /** Hits that were checked with the storage afterwards, by what that showed. */
  readonly verified: Readonly<Record<'right' | 'stale', number>>;
}

/** What was evicted from one tier, by how long it had been here. */
export interface EvictionStats {
  /** As many as `AGE_BOUNDS` and one: those up to each bound, and beyond the one before; then all that are older. */
  readonly counts: readonly number[];
  /** Seconds, of all together. */
  readonly age: number;
}

/** Seconds: a minute, ten, an hour, six, a day, a week, a month. */
export const AGE_BOUNDS = [60, 600, 3600, 21_600, 86_400, 604_800, 2_592_000] as const;

export type Tier = 'memory' | 'disk';

/** Counts since the start; all of them only grow. */
export interface CacheStats {
  readonly rules: readonly RuleStats[];
  readonly counters: Readonly<Record<Counter, number>>;
  readonly evictions: Readonly<Record<Tier, EvictionStats>>;
  readonly ageBounds: readonly number[];
}

export const COUNTERS = [
  /** Fills begun, and what became of them. */
  'fills',
  'fillsKept',
  'fillsOvertaken',
  'fillsFailed',
  /** Uploads whose bytes were kept as they passed. */
  'writesKept',
  'copiesKept',
  /** Kept bytes found gone or damaged. */
  'damaged',
  'diskErrors',
] as const;

export type Counter = (typeof COUNTERS)[number];

/** Counts what the cache does. */
export interface Recorder {
  request(rule: string, method: string, result: CacheResult, bytes: number): void;
  fetched(rule: string, bytes: number): void;
  count(counter: Counter, by?: number): void;
  revalidated(rule: string, answer: keyof RuleStats['revalidations']): void;
  verified(rule: string, found: keyof RuleStats['verified']): void;
  evicted(tier: Tier, ageSeconds: number): void;
  snapshot(): CacheStats;
}

interface RuleCounts extends RuleStats {
  readonly requests: Record<string, number>;
  readonly bytes: Record<string, number>;
  bytesFetched: number;
  readonly revalidations: Record<'unchanged' | 'changed', number>;
  readonly verified: Record<'right' | 'stale', number>;
}

/** @param onFetched told of the bytes that came from storages, whatever the rule */
export function createRecorder(onFetched?: (bytes: number) => void): Recorder {
  const rules = new Map<string, RuleCounts>();
  // Every name is a counter's.
  const counters = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<Counter, number>;
  const noEvictions = () => ({ counts: new Array<number>(AGE_BOUNDS.length + 1).fill(0), age: 0 });
  const evictions = { memory: noEvictions(), disk: noEvictions() };
  const of = (rule: string): RuleCounts => {
    const found = rules.get(rule) ?? {
      rule,
      requests: {},
      bytes: {},
      bytesFetched: 0,
      revalidations: { unchanged: 0, changed: 0 },
      verified: { right: 0, stale: 0 },
    };
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
      onFetched?.(bytes);
    },
    count: (counter, by = 1) => {
      counters[counter] += by;
    },
    revalidated: (rule, answer) => {
      of(rule).revalidations[answer]++;
    },
    verified: (rule, found) => {
      of(rule).verified[found]++;
    },
    evicted: (tier, ageSeconds) => {
      const stats = evictions[tier];
      const bucket = AGE_BOUNDS.findIndex((bound) => ageSeconds <= bound);
      const index = bucket < 0 ? AGE_BOUNDS.length : bucket;
      stats.counts[index] = (stats.counts[index] ?? 0) + 1;
      stats.age += ageSeconds;
    },
    snapshot: () => structuredClone({ rules: [...rules.values()], counters, evictions, ageBounds: AGE_BOUNDS }),
  };
}
