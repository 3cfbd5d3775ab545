import { closeSync, lstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Raised with every change of the tables below that an older Sluice could not read. */
const FORMAT = 1;

/**
 * `objects` is one tree ordered by bucket and key, so a page of a listing is one walk along it. What a listing
 * shows comes first in a row; long columns at the end spill to overflow pages that it never touches.
 * TEXT compares as UTF-8 bytes, which is the order S3 lists keys in.
 *
 * `content` is a JSON array of segments (see segments.ts). `files` and `bodies` are what segments point at,
 * with the number of segments that do.
 */
const TABLES = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('epoch', 0);
  CREATE TABLE buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE objects (
    bucket INTEGER NOT NULL, key TEXT NOT NULL,
    size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL, storage_class TEXT NOT NULL,
    checksum_algorithm TEXT, checksum_type TEXT, checksum_value TEXT,
    upload TEXT, tags TEXT NOT NULL, attributes TEXT NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE files (name TEXT PRIMARY KEY, refs INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE bodies (id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE uploads (
    id TEXT PRIMARY KEY, bucket INTEGER NOT NULL, key TEXT NOT NULL, initiated INTEGER NOT NULL,
    storage_class TEXT NOT NULL, checksum_algorithm TEXT, checksum_type TEXT,
    tags TEXT NOT NULL, attributes TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX uploads_by_key ON uploads (bucket, key, id);
  CREATE TABLE parts (
    upload TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    modified INTEGER NOT NULL, checksum_algorithm TEXT, checksum_value TEXT, content TEXT NOT NULL,
    PRIMARY KEY (upload, number)
  ) STRICT, WITHOUT ROWID;
`;

/** The folder's index, and the epoch that this process may name files with. */
export interface Index {
  readonly db: DatabaseSync;
  readonly path: string;
  /** Files named with an earlier epoch were made by processes that have ended. */
  readonly epoch: number;
  close(): void;
}

/**
 * Opens or creates the index in `folder`, which must exist.
 * @throws Error when it is of a newer format or not readable
 */
export function openIndex(folder: string): Index {
  const path = join(folder, 'index-v1.sqlite');
  const db = openDatabase(path);
  let lock: DatabaseSync | undefined;
  try {
    useWriteAheadLog(db, folder);
    createTables(db, folder);
    lock = openDatabase(join(folder, 'lock-v1.sqlite'));
    const epoch = takeEpoch(db, lock);
    return { db, path, epoch, close: () => closeBoth(db, lock) };
  } catch (error) {
    closeBoth(db, lock);
    throw error;
  }
}

/** Commits are synced, and the log is checkpointed, by WriteAheadLog; SQLite checkpoints only a log of over 64 MiB. */
function useWriteAheadLog(db: DatabaseSync, folder: string): void {
  // A large page holds more of a body. It can be chosen only before the first table.
  db.exec('PRAGMA page_size = 8192');
  const mode = db.prepare('PRAGMA journal_mode = WAL').get()?.journal_mode;
  if (mode !== 'wal') throw new Error(`${folder} is on a file system that SQLite cannot keep a write-ahead log on`);
  db.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 8192; PRAGMA cache_size = -16384');
}

function closeBoth(db: DatabaseSync, lock: DatabaseSync | undefined): void {
  lock?.close();
  db.close();
}

function openDatabase(path: string): DatabaseSync {
  createOwnFile(path);
  return new DatabaseSync(path, { timeout: 5000 });
}

/**
 * SQLite would give the file the umask's mode and follow a link; its own later files copy this one's mode. A file
 * that is there is not opened here: closing it again would drop all locks that this process holds on it.
 * https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
 */
function createOwnFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (!lstatSync(path).isFile()) throw new Error(`${path} must be a file, and not a link to one`);
  }
}

function createTables(db: DatabaseSync, folder: string): void {
  db.exec('BEGIN IMMEDIATE');
  const row = db.prepare('PRAGMA user_version').get();
  const format = Number(row?.user_version);
  if (format > FORMAT) {
    throw new Error(`${folder} was written by a newer Sluice: its format is ${format}, this one knows ${FORMAT}`);
  }
  if (format === 0) db.exec(`${TABLES} PRAGMA user_version = ${FORMAT}`);
  db.exec('COMMIT');
}

/**
 * Every process holds a read lock on `lock` for as long as it lives; one that can write-lock it is alone, and
 * begins a new epoch. So a file of an earlier epoch that no row names belongs to no upload under way, in this
 * process or another, and may be swept.
 */
function takeEpoch(db: DatabaseSync, lock: DatabaseSync): number {
  lock.exec('PRAGMA busy_timeout = 0');
  if (tryExclusive(lock)) {
    db.exec("UPDATE meta SET value = value + 1 WHERE name = 'epoch'");
    lock.exec('COMMIT');
  }
  lock.exec('PRAGMA busy_timeout = 5000; BEGIN');
  lock.prepare('SELECT count(*) FROM sqlite_schema').get();
  const row = db.prepare("SELECT value FROM meta WHERE name = 'epoch'").get();
  return Number(row?.value);
}

function tryExclusive(lock: DatabaseSync): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    // SQLITE_BUSY: another process lives.
    if ((error as { errcode?: number }).errcode === 5) return false;
    throw error;
  }
}
