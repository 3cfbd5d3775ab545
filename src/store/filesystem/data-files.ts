import { randomBytes } from 'node:crypto';
import { constants, existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Tells what went wrong in the background, where no request can be answered with it. */
export type Report = (message: string, error: unknown) => void;

export interface DataFilesOptions {
  /** The store's folder. */
  readonly folder: string;
  readonly epoch: number;
  readonly report: Report;
}

/** A file being written. It exists for readers only once a row names it. */
export interface NewFile {
  readonly name: string;
  readonly handle: FileHandle;
}

const NAME = /^([0-9a-z]+)-([0-9a-f]{32})$/;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW;

/**
 * The folder that holds objects' bytes, in files named by us and never by a key. It keeps files that are being
 * read from being unlinked, and unlinks those no row names.
 */
export class DataFiles {
  readonly #root: string;
  readonly #epoch: number;
  readonly #report: Report;
  readonly #readers = new Map<string, number>();
  /** Dead, but still being read. */
  readonly #doomed = new Set<string>();
  readonly #unlinking = new Set<Promise<void>>();
  #isClosed = false;

  /** @throws Error when the folder, or one in it, is a link, not a folder, or another user's */
  constructor(options: DataFilesOptions) {
    this.#root = join(options.folder, 'objects-v1');
    this.#epoch = options.epoch;
    this.#report = options.report;
    if (!existsSync(this.#root)) mkdirSync(this.#root, { mode: 0o700 });
    checkOwnFolder(this.#root);
    for (const shard of readdirSync(this.#root)) checkOwnFolder(join(this.#root, shard));
  }

  /** A new, empty file. The caller closes the handle, and discards the file unless a row comes to name it. */
  async create(): Promise<NewFile> {
    const name = `${this.#epoch.toString(36)}-${randomBytes(16).toString('hex')}`;
    const path = this.#path(name);
    try {
      return { name, handle: await open(path, CREATE, 0o600) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await this.#makeShard(dirname(path));
      return { name, handle: await open(path, CREATE, 0o600) };
    }
  }

  /** Makes the file's bytes and its place in the folder survive a power cut. */
  async sync(file: NewFile): Promise<void> {
    await Promise.all([file.handle.datasync(), syncFolder(dirname(this.#path(file.name)))]);
  }

  /** Opens a file for reading, refusing one that is not as long as its row says. The caller closes it. */
  async open(name: string, size: number): Promise<FileHandle> {
    const handle = await open(this.#path(name), READ);
    try {
      const stat = await handle.stat();
      if (stat.size !== size) throw new Error(`data file ${name} has ${stat.size} bytes instead of ${size}`);
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Keeps files from being unlinked until `unpin`. */
  pin(names: readonly string[]): void {
    for (const name of names) this.#readers.set(name, (this.#readers.get(name) ?? 0) + 1);
  }

  unpin(names: readonly string[]): void {
    for (const name of names) {
      const left = (this.#readers.get(name) ?? 1) - 1;
      if (left > 0) {
        this.#readers.set(name, left);
        continue;
      }
      this.#readers.delete(name);
      if (this.#doomed.delete(name)) this.#unlinking.add(this.#unlink(name));
    }
  }

  /** Unlinks files that no row names, in the background, each once its last reader has gone. */
  discard(names: readonly string[]): void {
    for (const name of names) {
      if (this.#readers.has(name)) this.#doomed.add(name);
      else this.#unlinking.add(this.#unlink(name));
    }
  }

  /** Unlinks a file that no row has come to name. Its space is free when this resolves. */
  async remove(name: string): Promise<void> {
    await this.#unlink(name);
  }

  /**
   * Removes what processes that ended in the middle of a write left behind.
   * @param isNamed whether a row names this file
   * @returns how many files went
   */
  async sweep(isNamed: (name: string) => boolean): Promise<number> {
    let swept = 0;
    for (const shard of await readdir(this.#root)) {
      if (this.#isClosed) return swept;
      for (const name of await readdir(join(this.#root, shard))) {
        if (this.#isClosed) return swept;
        const epoch = NAME.exec(name)?.[1];
        if (epoch === undefined || Number.parseInt(epoch, 36) >= this.#epoch || isNamed(name)) continue;
        await removeIfThere(this.#path(name));
        swept++;
      }
    }
    return swept;
  }

  /** Resolves when no unlink is under way and the sweep has been told to stop. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#unlinking);
  }

  #path(name: string): string {
    const random = NAME.exec(name)?.[2];
    if (random === undefined) throw new Error(`${name} is not the name of a data file`);
    return join(this.#root, random.slice(0, 2), name);
  }

  #unlink(name: string): Promise<void> {
    const unlinking = removeIfThere(this.#path(name))
      // The row is gone, so the object is; the file goes with the next start's sweep.
      .catch((error: unknown) => this.#report(`cannot remove data file ${name}`, error))
      .finally(() => this.#unlinking.delete(unlinking));
    return unlinking;
  }

  async #makeShard(path: string): Promise<void> {
    await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      // Another write has made it meanwhile.
      if (error.code !== 'EEXIST') throw error;
    });
    await syncFolder(this.#root);
  }
}

/** The sweep and an overwriting may come upon one file: whichever is later finds it gone, as it should be. */
async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/** Makes the names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function checkOwnFolder(path: string): void {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) throw new Error(`${path} must be a folder, and not a link to one`);
  const user = process.getuid?.();
  if (user !== undefined && stat.uid !== user) throw new Error(`${path} belongs to user ${stat.uid}, not to ${user}`);
}
