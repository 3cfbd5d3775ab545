import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that goes when everything that was opened after it has been closed; a test's own folder goes before. */
export function diskFolder(test: { teardown(work: () => Promise<void>): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  test.teardown(() => rm(path, { recursive: true, force: true, maxRetries: 3 }));
  return path;
}
