import type { LRUCache } from 'lru-cache';
import type { Handler, S3Request } from '../s3/message.ts';
import type { Breaker } from './breaker.ts';
import type { ObjectName } from './identity.ts';
import type { KeyStates } from './key-state.ts';
import type { Permits } from './permits.ts';
import type { Rule } from './rules.ts';
import type { Recorder } from './stats.ts';
import type { CacheStore } from './store.ts';

export interface CacheLog {
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** What all requests of one cache have in common. */
export interface Shared {
  readonly store: CacheStore;
  readonly states: KeyStates;
  readonly recorder: Recorder;
  readonly log: CacheLog;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The line to a place; the same one for all storages there. */
  readonly breakerOf: (place: string) => Breaker;
  /** Turns at fetching from a place, so that many large objects leave connections for everything else. */
  readonly permitsOf: (place: string) => Permits;
  /** Aborts when the cache closes. */
  readonly signal: AbortSignal;
  /** Objects that were found not to be for the cache, for a while. */
  readonly uncacheable: LRUCache<string, true>;
  /** Objects of exclusive rules that are known not to exist. */
  readonly absent: LRUCache<string, true>;
  /** The share of hits, from 0 to 1, that is checked with the storage afterwards. */
  readonly verify: number;
  readonly random: () => number;
  /** Work that goes on when its request has been answered: the cache waits for it when it closes. */
  readonly background: (work: Promise<unknown>) => void;
}

/** One request for one object under one rule. */
export interface Call {
  readonly request: S3Request;
  readonly next: Handler;
  readonly name: ObjectName;
  readonly id: string;
  readonly rule: Rule;
  /** The longest stretch of a large object that is asked for at a time, in bytes. */
  readonly partBytes: number;
}
