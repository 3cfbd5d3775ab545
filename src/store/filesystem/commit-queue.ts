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

/** What a CommitQueue leans on. */
export interface CommitHooks {
  /** Makes all that was committed so far durable. */
  readonly sync: () => Promise<void>;
  /** Told after each commit of how many mutations it had. */
  readonly onCommit: (mutations: number) => void;
  /** Takes over the files that have lost their last row, once that is durable. */
  readonly onDead: (names: readonly string[]) => void;
}

/** A transaction that is committed and not yet durable. */
interface Commit {
  readonly entries: readonly Entry[];
  readonly deadFiles: readonly string[];
}

/**
 * Makes mutations durable, many to one transaction and many transactions to one disk sync: while one sync runs,
 * others commit and then share the next. Each mutation runs in a savepoint, so one that throws undoes nothing of
 * the others.
 */
export class CommitQueue {
  readonly #db: DatabaseSync;
  readonly #hooks: CommitHooks;
  readonly #statements: Readonly<Record<'begin' | 'commit' | 'savepoint' | 'release' | 'undo', StatementSync>>;
  #waiting: Entry[] = [];
  #isScheduled = false;
  #unsynced: Commit[] = [];
  #syncing: Promise<void> | undefined;

  constructor(db: DatabaseSync, hooks: CommitHooks) {
    this.#db = db;
    this.#hooks = hooks;
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
   * @throws whatever `work` throws; ServiceUnavailable when the disk is full. When syncing fails, the mutation may
   *   have happened.
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

  /** Commits what is waiting. Resolves when it is durable. */
  async close(): Promise<void> {
    while (this.#waiting.length > 0) this.#commitBatch();
    await this.#syncing;
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
    if (done.length === 0) return;
    this.#unsynced.push({ entries: done, deadFiles });
    this.#hooks.onCommit(done.length);
    this.#syncing ??= this.#syncAll().finally(() => {
      this.#syncing = undefined;
    });
  }

  async #syncAll(): Promise<void> {
    while (this.#unsynced.length > 0) {
      const commits = this.#unsynced;
      this.#unsynced = [];
      try {
        await this.#hooks.sync();
      } catch (error) {
        // What was committed stands, but nobody may be told that it lasts.
        for (const entry of commits.flatMap(({ entries }) => entries)) entry.fail(storageError(error));
        continue;
      }
      for (const { entries, deadFiles } of commits) {
        this.#hooks.onDead(deadFiles);
        for (const entry of entries) entry.succeed();
      }
    }
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
