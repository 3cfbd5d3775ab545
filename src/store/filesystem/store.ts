import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { S3Error } from '../../s3/error.ts';
import type { ObjectStore } from '../object-store.ts';
import { CommitQueue } from './commit-queue.ts';
import type { Context } from './context.ts';
import { DataFiles, syncFolder } from './data-files.ts';
import { openIndex } from './index-database.ts';
import { multipartMethods } from './multipart.ts';
import { objectMethods } from './objects.ts';
import { cursorAfter, cutPage } from './paging.ts';
import { listed } from './rows.ts';
import { Tables } from './tables.ts';
import { UploadTables } from './upload-tables.ts';
import { WriteAheadLog } from './write-ahead-log.ts';

/** The part of a logger that the store uses. */
export interface StoreLog {
  error(details: { readonly err: unknown }, message: string): void;
}

export interface FilesystemStoreOptions {
  /** The folder, created with mode 0700 when it is not there. Nothing outside it is touched. */
  readonly path: string;
  /** The clock. */
  readonly now: () => Date;
  /** Told of what goes wrong in the background, where no request can be answered with it. */
  readonly log?: StoreLog;
}

/**
 * A store in a folder of the local disk: `index-v1.sqlite` holds what is known of objects and the small ones'
 * bytes, `objects-v1/` the bytes of the others. An object exists when, and only when, its row does, so a write
 * is whole or absent whatever interrupts it; what an interrupted one left is swept at the next start.
 * @throws Error when the folder is of a newer format, or not safely ours
 */
export async function openFilesystemStore(options: FilesystemStoreOptions): Promise<ObjectStore> {
  const { path, log } = options;
  const report = (message: string, err: unknown): void => log?.error({ err }, message);
  const now = (): number => options.now().getTime();
  // Absolute: node never comes back where the current folder is gone (test/regress/gone-folder.test.ts).
  mkdirSync(resolve(path), { recursive: true, mode: 0o700 });
  const index = openIndex(path);
  let wal: WriteAheadLog | undefined;
  try {
    const opened = await WriteAheadLog.open(index.path, report);
    wal = opened;
    const files = new DataFiles({ folder: path, epoch: index.epoch, report });
    // Whatever lasts in these files lasts only if the files' own names do.
    await Promise.all([path, dirname(resolve(path))].map(syncFolder));
    const tables = new Tables(index.db);
    const uploads = new UploadTables(index.db, tables);
    const queue = new CommitQueue(index.db, {
      sync: () => opened.sync(),
      onCommit: (mutations) => opened.committed(mutations),
      onDead: (names) => files.discard(names),
    });
    const context: Context = { tables, uploads, queue, files, now };
    const sweep = files
      .sweep((name) => tables.hasFile(name))
      .catch((error: unknown) => report('cannot sweep left-over data files', error));
    return {
      ...bucketMethods(context),
      ...objectMethods(context),
      ...multipartMethods(context),
      async close() {
        await queue.close();
        await files.close();
        await sweep;
        await opened.close();
        index.close();
      },
    };
  } catch (error) {
    await wal?.close();
    index.close();
    throw error;
  }
}

type BucketMethods = Pick<ObjectStore, 'listBuckets' | 'createBucket' | 'headBucket' | 'deleteBucket' | 'listObjects'>;

function bucketMethods({ tables, uploads, queue, now }: Context): BucketMethods {
  return {
    async listBuckets() {
      return tables.buckets();
    },
    async createBucket(bucket) {
      await queue.run(() => {
        if (tables.addBucket(bucket, new Date(now()))) return;
        throw new S3Error('BucketAlreadyOwnedByYou', { detail: { BucketName: bucket } });
      });
    },
    async headBucket(bucket) {
      return { name: bucket, created: tables.bucket(bucket).created };
    },
    async deleteBucket(bucket) {
      await queue.run((effects) => {
        const { id } = tables.bucket(bucket);
        if (tables.hasObjects(id)) throw new S3Error('BucketNotEmpty', { detail: { BucketName: bucket } });
        for (const upload of uploads.uploadsOf(id)) uploads.dropUpload(upload, new Set(), effects);
        tables.dropBucket(id);
      });
    },
    async listObjects({ bucket, prefix, delimiter, after, limit }) {
      const { id } = tables.bucket(bucket);
      const from = cursorAfter(after, prefix, delimiter);
      if (from === undefined) return { objects: [], commonPrefixes: [], next: undefined };
      const scan = (cursor: { readonly key: string }, to: string | undefined) => tables.scan(id, cursor.key, to);
      const page = cutPage({ prefix, delimiter, from, limit, scan });
      return { objects: page.rows.map(listed), commonPrefixes: page.commonPrefixes, next: page.next?.key };
    },
  };
}
