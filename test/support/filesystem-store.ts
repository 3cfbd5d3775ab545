import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { openFilesystemStore } from '../../src/store/filesystem/store.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';

/** A folder that goes when the test ends, after all that was set to end before it. */
export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-store-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens a store that fails the test when something goes wrong in its background. Closed when the test ends. */
export async function openTestStore(
  t: Test,
  path: string = temporaryFolder(t),
): Promise<{ readonly store: ObjectStore; readonly path: string; readonly close: () => Promise<void> }> {
  const store = await openFilesystemStore({
    path,
    now: () => new Date(),
    log: { error: ({ err }, message) => t.fail(message, { err }) },
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= store.close();
    return closing;
  };
  t.teardown(close);
  return { store, path, close };
}

/** The paths of a store's data files. */
export function dataFiles(path: string): string[] {
  const root = join(path, 'objects-v1');
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
