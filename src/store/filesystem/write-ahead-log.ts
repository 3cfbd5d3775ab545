import { type FileHandle, open } from 'node:fs/promises';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Report } from './data-files.ts';

/** Mutations after which the log is folded back into the index. */
const CHECKPOINT_EVERY = 256;

/**
 * SQLite's write-ahead log of the index, synced off the event loop. SQLite itself would sync within `COMMIT` and
 * within checkpoints, and a sync stops everything for as long as the disk takes: up to 140 ms were measured. So the
 * connection runs with `synchronous = NORMAL`, in which a commit only appends to the log, and whoever commits waits
 * for `sync` before telling anyone; checkpoints, with the syncs that keep the index sound, run in a thread.
 * https://sqlite.org/wal.html
 */
export class WriteAheadLog {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #report: Report;
  #worker: Worker | undefined;
  #workerGone: Promise<unknown> | undefined;
  #isCheckpointing = false;
  #mutations = 0;

  private constructor(path: string, handle: FileHandle, report: Report) {
    this.#path = path;
    this.#handle = handle;
    this.#report = report;
  }

  /** @param path of the index, which must be open: its log lives as long as a connection does */
  static async open(path: string, report: Report): Promise<WriteAheadLog> {
    return new WriteAheadLog(path, await open(`${path}-wal`), report);
  }

  /** Makes all commits so far survive a power cut. */
  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  /** Counts what was committed, and begins a checkpoint when it is time. */
  committed(mutations: number): void {
    this.#mutations += mutations;
    if (this.#mutations < CHECKPOINT_EVERY || this.#isCheckpointing) return;
    this.#mutations = 0;
    this.#isCheckpointing = true;
    this.#worker ??= this.#startWorker();
    this.#worker.postMessage('checkpoint');
  }

  /** Resolves when the thread, and with it its connection, has gone. */
  async close(): Promise<void> {
    this.#worker?.ref();
    this.#worker?.postMessage('close');
    await this.#workerGone;
    await this.#handle.close();
  }

  #startWorker(): Worker {
    // The source when it runs as it is, the compiled file when not.
    const file = new URL(`./checkpoint-worker${extname(import.meta.url)}`, import.meta.url);
    const worker = new Worker(file, {
      workerData: this.#path,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    });
    worker.on('message', (failure: string | null) => {
      this.#isCheckpointing = false;
      if (failure !== null) this.#report('cannot checkpoint the index', new Error(failure));
    });
    // Without the thread, SQLite checkpoints by itself once the log is long.
    worker.on('error', (error) => this.#report('the checkpoint thread has failed', error));
    this.#workerGone = new Promise((resolve) => worker.once('exit', resolve));
    worker.unref();
    return worker;
  }
}
