import { lstatSync, mkdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { open, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** The folder of a disk cache, locked for this process. The format's version is part of its name. */
export interface DiskFolder {
  readonly journal: string;
  /** Whether the last one who had it closed it, so that its journal says all. */
  readonly wasClosed: boolean;
  /** Whether it was made just now, and so has neither files nor a journal. */
  readonly isNew: boolean;
  /** Where an object's file lies. */
  pathOf(id: string, file: string): string;
  /** The folder of the files whose ids begin with these two digits. */
  shard(digits: string): string;
  /** Names of files that are in their place before the index says so. */
  readonly arriving: Set<string>;
  /** A place for a file that is not finished. */
  temporary(name: string): string;
  /** Makes what has gone of it. */
  repair(): void;
  /** @param isWhole whether the journal says all */
  close(isWhole: boolean): void;
}

const FORMAT = 'sluice-cache-v1';

/** Two hexadecimal digits each: files are spread over these. */
export const SHARDS = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'));

/**
 * Opens the folder, which is made when absent, and takes away what was not finished. Only its owner may look into it; one
 * that belongs to somebody else, or is a link, is refused.
 * @param onError told when it cannot be closed properly
 * @throws Error
 */
export async function openDiskFolder(path: string, onError: (error: unknown) => void): Promise<DiskFolder> {
  // Absolute: node never comes back where the current folder is gone (test/regress/gone-folder.test.ts).
  mkdirSync(resolve(path), { recursive: true, mode: 0o700 });
  const root = join(path, FORMAT);
  const folders = [root, join(root, 'tmp'), join(root, 'o'), ...SHARDS.map((digits) => join(root, 'o', digits))];
  const repair = () => {
    for (const folder of folders) mkdirSync(folder, { recursive: true, mode: 0o700 });
  };
  const isNew = mkdirSync(root, { recursive: true, mode: 0o700 }) !== undefined;
  repair();
  for (const folder of folders) checkOwn(folder);
  const lock = join(root, 'lock');
  takeLock(lock);
  rmSync(join(root, 'tmp'), { recursive: true });
  mkdirSync(join(root, 'tmp'), { mode: 0o700 });
  const marker = join(root, 'closed');
  const wasClosed = takeMarker(marker);
  if (wasClosed) await sync(root);
  return {
    journal: join(root, 'index'),
    wasClosed,
    isNew,
    pathOf: (id, file) => join(root, 'o', id.slice(0, 2), `${id}-${file}`),
    shard: (digits) => join(root, 'o', digits),
    arriving: new Set(),
    temporary: (name) => join(root, 'tmp', name),
    repair,
    close: (isWhole) => {
      try {
        if (isWhole) writeFileSync(marker, '', { mode: 0o600 });
        rmSync(lock, { force: true });
      } catch (error) {
        // The disk fails, or the folder is gone: without the mark the next start looks at everything itself.
        onError(error);
      }
    },
  };
}

function checkOwn(folder: string): void {
  const stat = lstatSync(folder);
  if (!stat.isDirectory()) throw new Error(`${folder} is no folder of the cache`);
  if (process.getuid !== undefined && stat.uid !== process.getuid()) {
    throw new Error(`${folder} belongs to user ${stat.uid}, not to ${process.getuid()}`);
  }
  if ((stat.mode & 0o077) !== 0) throw new Error(`${folder} can be seen by others: chmod 0700 it`);
}

/** Gone from this moment on, also after a power failure: else the next start would take an old journal for whole. */
async function sync(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function takeMarker(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/** @throws Error when another process that lives has it */
function takeLock(path: string): void {
  const own = `${process.pid} ${startOf(process.pid)}`;
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(path, own, { flag: 'wx', mode: 0o600 });
      return;
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
      const [pid = '', ...start] = readFileSync(path, 'utf8').split(' ');
      const isHeld = Number(pid) > 0 && startOf(Number(pid)) !== '' && startOf(Number(pid)) === start.join(' ');
      if (isHeld) throw new Error(`${path}: process ${pid} uses this cache`);
      rmSync(path, { force: true });
    }
  }
  throw new Error(`${path}: another process took it`);
}

/** What tells a process from a later one with its number; '' when there is none. */
function startOf(pid: number): string {
  try {
    // The 22nd field is the start time; the second, in brackets, may hold spaces.
    return (
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[19] ?? ''
    );
  } catch {
    // No /proc here, or no such process: a signal of 0 tells which.
    try {
      process.kill(pid, 0);
      return 'running';
    } catch {
      return '';
    }
  }
}

/** What the file system has left for all. @throws Error */
export async function freeSpace(path: string): Promise<{ readonly bytes: number; readonly isShortOfInodes: boolean }> {
  const { bavail, bsize, ffree, files } = await statfs(path);
  return { bytes: bavail * bsize, isShortOfInodes: files > 0 && ffree < files / 100 };
}

export function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}
