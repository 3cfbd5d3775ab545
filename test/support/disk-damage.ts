import { closeSync, copyFileSync, openSync, readdirSync, renameSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** What happens to a cache's files from outside, from what happens often to what is rare. */
const DAMAGES: readonly ((path: string) => void)[] = [
  (path) => rmSync(path, { force: true }),
  (path) => truncateSync(path, 10),
  (path) => {
    // Another file in its place, as a file that is open does not tell who reads it of a change.
    copyFileSync(path, `${path}.copy`);
    const file = openSync(`${path}.copy`, 'r+');
    writeSync(file, Buffer.from([0xff, 0x00, 0xff]), 0, 3, 0);
    closeSync(file);
    renameSync(`${path}.copy`, path);
  },
];
/** All of it goes, to so many damages of files. */
const ALL_EVERY = 20;

/** Does something to the files of a cache. */
export function damageDisk(cache: string, random: () => number): void {
  if (random() < 1 / ALL_EVERY) {
    rmSync(cache, { recursive: true, force: true, maxRetries: 3 });
    return;
  }
  try {
    const files = filesOf(cache);
    const file = files[Math.floor(random() * files.length)];
    if (file !== undefined) DAMAGES[Math.floor(random() * DAMAGES.length)]?.(file);
  } catch (error) {
    // Gone meanwhile.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

/** The files of versions, and of those on their way. */
export function filesOf(cache: string): readonly string[] {
  return ['o', 'tmp'].flatMap((folder) =>
    readdirSync(join(cache, 'sluice-cache-v1', folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
}
