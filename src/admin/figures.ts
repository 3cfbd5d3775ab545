/** The cache's counts, as the API gives them. */
export interface CacheCounts {
  /** By tier; undefined where there is none. Bytes. */
  readonly usage: Readonly<
    Record<string, { readonly bytes: number; readonly count: number; readonly size: number } | undefined>
  >;
  readonly rules: readonly RuleCounts[];
  readonly counters: Readonly<Record<string, number>>;
  /** By tier: how many by age, and the seconds of all together. */
  readonly evictions: Readonly<Record<string, { readonly counts: readonly number[]; readonly age: number }>>;
}

export interface RuleCounts {
  readonly rule: string;
  /** `GET hit`, `HEAD revalidated` and so on, to a count. */
  readonly requests: Readonly<Record<string, number>>;
  /** Bytes of GET answers by result. */
  readonly bytes: Readonly<Record<string, number>>;
  readonly bytesFetched: number;
  readonly revalidations: Readonly<Record<'unchanged' | 'changed', number>>;
  readonly verified: Readonly<Record<'right' | 'stale', number>>;
}

/** How much of something came from the cache. */
export interface Share {
  readonly all: number;
  readonly fromHere: number;
}

/** Answers for which nothing was fetched. */
const FROM_HERE: ReadonlySet<string> = new Set(['hit', 'revalidated', 'stale']);

/** Requests of one method. What is bypassed does not count. */
export function requestsOf({ requests }: RuleCounts, method: 'GET' | 'HEAD'): Share {
  const own = Object.entries(requests).filter(([name]) => name.startsWith(`${method} `));
  return shareOf(own.map(([name, count]) => [name.slice(method.length + 1), count]));
}

/** Bytes of GET answers, likewise. */
export function bytesOf({ bytes }: RuleCounts): Share {
  return shareOf(Object.entries(bytes));
}

function shareOf(counts: readonly (readonly [result: string, count: number])[]): Share {
  let [all, fromHere] = [0, 0];
  for (const [result, count] of counts) {
    if (result !== 'bypass') all += count;
    if (FROM_HERE.has(result)) fromHere += count;
  }
  return { all, fromHere };
}

/** Such as `97.5%`; undefined where there is nothing to have a share of. */
export function formatShare({ all, fromHere }: Share): string | undefined {
  return all === 0 ? undefined : `${((100 * fromHere) / all).toFixed(1)}%`;
}

/** Such as `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  const unit = ['B', 'KiB', 'MiB', 'GiB', 'TiB'][power];
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${unit}`;
}
