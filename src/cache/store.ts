import type { Content } from './content.ts';
import type { Description } from './description.ts';
import type { ObjectName } from './identity.ts';

/** One version that is here, as the index knew it when it was asked. Which tier holds its bytes is the store's own matter. */
export interface Stored {
  readonly id: string;
  readonly name: ObjectName;
  /** Unquoted. */
  readonly etag: string;
  readonly size: number;
  /** Milliseconds since 1970, whole seconds. */
  readonly lastModified: number;
  /** When the storage was asked for the answer that last showed this version as the current one, in ms since 1970. */
  readonly validatedAt: number;
  /** Nothing has happened since that could have changed the object: only then may it be served without asking. */
  readonly isConfirmed: boolean;
  /** When it came here. */
  readonly storedAt: number;
}

/** A version opened for reading. */
export interface Opened {
  readonly stored: Stored;
  readonly description: Description;
  readonly content: Content;
  readonly tier: 'memory' | 'disk';
}

/** A version whose bytes lie in memory in one piece. */
export interface InMemory {
  readonly description: Description;
  readonly bytes: Uint8Array;
}

/** What a new version is kept with. */
export interface KeepOptions {
  readonly description: Description;
  readonly validatedAt: number;
  readonly isConfirmed: boolean;
  /** Asked at the very moment at which it would be found: a write that came first has the last word. */
  readonly isCurrent: () => boolean;
}

/**
 * Bytes of one version under way. Blocks come in any order, each once; those written can be read at once, and go on
 * being readable until `close`.
 */
export interface Draft {
  /** Whether it holds on to the memory it is given; if not, that is the caller's again once it was written. */
  readonly holdsBytes: boolean;
  /** @throws Error when there is no room or the disk fails; the draft is of no use any more */
  write(index: number, bytes: Uint8Array): Promise<void>;
  /**
   * @param into a whole block's memory, which may be used for it
   * @throws Error
   */
  read(index: number, into?: Uint8Array): Promise<Uint8Array>;
  /** Makes it the version that is found, once all blocks were written. False when it was overtaken. @throws Error */
  keep(options: KeepOptions): Promise<boolean>;
  /** Releases it; what was not kept is gone. */
  close(): void;
}

/** Where versions are kept: at most one of each object. A `Stored` that is given back stands for its version. */
export interface CacheStore {
  find(id: string): Stored | undefined;
  /** What can be had without waiting, where the store has any such; undefined for all that `open` is for. */
  inMemory?(stored: Stored): InMemory | undefined;
  /**
   * Undefined when its bytes turn out to be gone or damaged: it is dropped then. Close the content.
   * @throws S3Error ServiceUnavailable when the process has no file descriptor left
   */
  open(stored: Stored): Promise<Opened | undefined>;
  /** A place for a new version of a size; undefined when there is none for it now. */
  draft(name: ObjectName, size: number): Draft | undefined;
  /** Whether an object of this size could ever be kept. */
  fits(size: number): boolean;
  /** Not found any more from this moment; resolves when nothing of it would be found after a crash either. */
  drop(stored: Stored): Promise<void>;
  /** The storage answered that this version is the current one. */
  validated(stored: Stored, at: number): void;
  /** Something happens that may change the object: what is here of it needs asking from now on. */
  doubt(id: string): void;
  /** The same of all objects of a bucket, as its storages know it. */
  doubtAll(place: string, bucket: string): void;
  /** In no order; what comes or goes between two of them may be among them or not. */
  entries(): Iterable<Stored>;
  close(): Promise<void>;
}
