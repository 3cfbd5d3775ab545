import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { S3Error } from '../../s3/error.ts';

/** What a mutation leaves to be done once it is durable. */
export interface Effects {
  /** Data files that no row points at any more. */
  readonly deadFiles: string[];
}

interface Entry {
  /** Runs the mutation inside the transaction. */
  readonly work: (effects: Effects) => void;
  readonly succeed: () => void;
  readonly fail: (error: unknown) => void;
}

/** Bounds how long one transaction holds up the event loop. */
const MAX_BATCH = 256;

/**
 * Makes mutations durable, many to one transaction: a commit costs a disk sync, and those who wait for the same
 * one share it. Each mutation runs in a savepoint, so one that throws undoes nothing of the others.
 */
export class CommitQueue {
  readonly #db: DatabaseSync;
  readonly #onDead: (names: readonly string[]) => void;
  readonly #statements: Readonly<Record<'begin' | 'commit' | 'savepoint' | 'release' | 'undo', StatementSync>>;
  #waiting: Entry[] = [];
  #isScheduled = false;

  /** @param onDead takes over the files that have lost their last row, after the commit */
  constructor(db: DatabaseSync, onDead: (names: readonly string[]) => void) {
    this.#db = db;
    this.#onDead = onDead;
    this.#statements = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      savepoint: db.prepare('SAVEPOINT mutation'),
      release: db.prepare('RELEASE mutation'),
      undo: db.prepare('ROLLBACK TO mutation'),
    };
  }

  /**
   * Runs `work`, which must be synchronous, in the next transaction. Resolves with its result once it is durable.
   * @throws whatever `work` throws; ServiceUnavailable when the disk is full
   */
  run<T>(work: (effects: Effects) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: T;
      this.#waiting.push({
        work: (effects) => {
          result = work(effects);
        },
        succeed: () => resolve(result),
        fail: reject,
      });
      this.#schedule();
    });
  }

  /** Commits what is waiting. */
  close(): void {
    while (this.#waiting.length > 0) this.#commitBatch();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // After this turn's I/O, so that whatever arrived with it joins the same transaction.
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#waiting.length > 0) this.#commitBatch();
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  #commitBatch(): void {
    const batch = this.#waiting.splice(0, MAX_BATCH);
    const done: Entry[] = [];
    const deadFiles: string[] = [];
    try {
      this.#statements.begin.run();
      for (const entry of batch) {
        if (this.#apply(entry, deadFiles)) done.push(entry);
      }
      this.#statements.commit.run();
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      const failure = storageError(error);
      for (const entry of batch) entry.fail(failure);
      return;
    }
    this.#onDead(deadFiles);
    for (const entry of done) entry.succeed();
  }

  /** @returns whether it succeeded; when it failed it has been undone and its caller told */
  #apply(entry: Entry, deadFiles: string[]): boolean {
    const effects: Effects = { deadFiles: [] };
    this.#statements.savepoint.run();
    try {
      entry.work(effects);
    } catch (error) {
      // A full disk makes SQLite roll the whole transaction back by itself: then the whole batch has failed.
      if (!this.#db.isTransaction) throw error;
      this.#statements.undo.run();
      this.#statements.release.run();
      entry.fail(storageError(error));
      return false;
    }
    this.#statements.release.run();
    deadFiles.push(...effects.deadFiles);
    return true;
  }
}

const SQLITE_FULL = 13;

/** A full disk as the error a client should retry on; anything else as it is. */
export function storageError(error: unknown): unknown {
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  const isFull = code === 'ENOSPC' || code === 'EDQUOT' || errcode === SQLITE_FULL;
  return isFull ? new S3Error('ServiceUnavailable', { cause: error }) : error;
}
