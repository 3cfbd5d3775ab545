import { S3Error } from '../../src/s3/error.ts';
import type { Headers } from '../../src/s3/headers.ts';
import { answerOf, type CacheVendor, type VendorObject } from './cache-vendor.ts';
import type { CachedAnswer } from './cached.ts';

/** What the storage held of a key from a moment on. */
interface State {
  readonly from: number;
  readonly object: VendorObject | undefined;
}

/** One operation that is under way. */
export interface Span {
  readonly key: string;
  readonly begin: number;
  /** The moment at which what was shown, or written and acknowledged, before the begin was the truth. */
  readonly floor: number;
}

/** Headers of one exchange, which no version has. */
const OF_EXCHANGE =
  /^(connection|date|keep-alive|server|transfer-encoding|x-amz-request-id|x-amz-id-2|x-sluice-cache|retry-after)$/;

/**
 * All that a storage held, in the order in which it changed. Moments are counted, not timed: each change is one. An answer
 * is right when it is, byte by byte and header by header, that of a version that was held between its request's begin and
 * its end.
 */
export class StorageLog {
  readonly #states = new Map<string, State[]>();
  readonly #spans = new Set<Span>();
  readonly #floors = new Map<string, number>();
  readonly #vendor: CacheVendor;
  #moment = 1;

  constructor(vendor: CacheVendor) {
    this.#vendor = vendor;
    vendor.onChange = (key) => this.#note(key);
  }

  begin(key: string): Span {
    const span = { key, begin: this.#moment, floor: this.#floors.get(key) ?? 0 };
    this.#spans.add(span);
    return span;
  }

  end(span: Span): void {
    this.#spans.delete(span);
  }

  /** The version before the one that is there, if it is remembered. */
  earlier(key: string): VendorObject | undefined {
    return this.#statesOf(key).at(-2)?.object;
  }

  /**
   * Whether a read's answer is the truth. What it showed, no stale answer may go back behind.
   * @returns what is wrong, or undefined
   */
  judge(
    span: Span,
    key: string,
    request: { readonly method: string; readonly headers: Headers },
    answer: CachedAnswer,
  ) {
    const isStale = answer.result === 'stale';
    const held = this.#held(key, isStale ? span.floor : span.begin);
    const faults = held.map(({ object }) => faultOf(answer, object, request));
    const right = faults.indexOf(undefined);
    const shown = held[right];
    if (shown !== undefined) {
      if (!isStale && answer.result !== 'bypass') this.#raise(key, shown.from);
      return undefined;
    }
    const versions = held.map(({ from, object }, index) => `${object?.etag} from ${from}: ${faults[index]}`);
    return `${answer.result} ${answer.status} ${answer.code ?? ''}, begun at ${span.begin} over ${span.floor}, ended at ${this.#moment}, shows ${answer.headers.get('etag')}; it held ${versions.join('; ')}`;
  }

  /** Whether the storage held such a version, or none, during a write that it says it has made. No stale answer may go back behind it. */
  wrote(span: Span, key: string, etag: string | undefined): boolean {
    const found = this.#held(key, span.begin).find(({ object }) => object?.etag === etag);
    if (found !== undefined) this.#raise(key, found.from);
    return found !== undefined;
  }

  #raise(key: string, floor: number): void {
    this.#floors.set(key, Math.max(floor, this.#floors.get(key) ?? 0));
  }

  #held(key: string, begin: number): State[] {
    const states = this.#statesOf(key);
    return states.filter((_, index) => (states[index + 1]?.from ?? Number.POSITIVE_INFINITY) > begin);
  }

  #statesOf(key: string): State[] {
    let states = this.#states.get(key);
    if (states === undefined) {
      states = [{ from: 0, object: undefined }];
      this.#states.set(key, states);
    }
    return states;
  }

  #note(key: string): void {
    this.#moment++;
    const states = this.#statesOf(key);
    states.push({ from: this.#moment, object: this.#vendor.get(key) });
    const own = [...this.#spans].filter((span) => span.key === key).flatMap(({ begin, floor }) => [begin, floor]);
    const needed = Math.min(this.#floors.get(key) ?? 0, ...own);
    while (states.length > 2 && (states[1]?.from ?? 0) <= needed) states.shift();
  }
}

/** Undefined when the answer is what the storage answers for that version. */
function faultOf(
  answer: CachedAnswer,
  object: VendorObject | undefined,
  request: { readonly method: string; readonly headers: Headers },
): string | undefined {
  try {
    const due = answerOf(object, request);
    if (answer.status !== due.status) return `status ${due.status}`;
    for (const [name, value] of due.headers) {
      // What does not say anything of the version may be left out.
      if (due.status === 304 && name !== 'etag' && !answer.headers.has(name)) continue;
      if (answer.headers.get(name) !== value) return `${name} is ${answer.headers.get(name)}, not ${value}`;
    }
    for (const name of answer.headers.keys()) {
      if (!due.headers.has(name) && !OF_EXCHANGE.test(name)) return `a header ${name}`;
    }
    return (due.bytes ?? Buffer.alloc(0)).equals(answer.bytes) ? undefined : 'other bytes';
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    if (answer.status !== error.status) return `status ${error.status}`;
    const isNamed = request.method === 'HEAD' || answer.code === error.code;
    return isNamed ? undefined : `code ${error.code}`;
  }
}
