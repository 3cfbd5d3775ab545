/** What of the cache is counted, as its own statistics give it; who shows it knows the shape and not the cache. */
export interface CacheFigures {
  /** By tier; undefined where there is none. Bytes. */
  readonly usage: Readonly<
    Record<string, { readonly bytes: number; readonly count: number; readonly size: number } | undefined>
  >;
  readonly stats: {
    readonly rules: readonly RuleFigures[];
    readonly counters: Readonly<Record<string, number>>;
    /** By tier: `counts` by age, as many as `ageBounds` and one; `age` is the sum of all. Seconds. */
    readonly evictions: Readonly<Record<string, { readonly counts: readonly number[]; readonly age: number }>>;
    readonly ageBounds: readonly number[];
  };
}

export interface RuleFigures {
  readonly rule: string;
  /** `GET hit`, `HEAD revalidated` and so on, to a count. */
  readonly requests: Readonly<Record<string, number>>;
  /** Bytes of GET answers by result. */
  readonly bytes: Readonly<Record<string, number>>;
  readonly bytesFetched: number;
  readonly revalidations: Readonly<Record<'unchanged' | 'changed', number>>;
  readonly verified: Readonly<Record<'right' | 'stale', number>>;
}

/** Results for which the storage moved no bytes. */
export const FROM_CACHE: ReadonlySet<string> = new Set(['hit', 'revalidated', 'stale']);
