import type { CommitQueue } from './commit-queue.ts';
import type { DataFiles } from './data-files.ts';
import type { Tables } from './tables.ts';
import type { UploadTables } from './upload-tables.ts';

/** What the methods of the store share. */
export interface Context {
  readonly tables: Tables;
  readonly uploads: UploadTables;
  readonly queue: CommitQueue;
  readonly files: DataFiles;
  /** The clock, in milliseconds. */
  readonly now: () => number;
}
