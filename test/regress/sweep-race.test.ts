import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DataFiles } from '../../src/store/filesystem/data-files.ts';
import { temporaryFolder } from '../support/filesystem-store.ts';

t.test('a file that the sweep and an overwriting remove both is no failure of either', async (t) => {
  const folder = temporaryFolder(t);
  const reports: string[] = [];
  const files = new DataFiles({ folder, epoch: 9, report: (message) => void reports.push(message) });
  const names = Array.from({ length: 50 }, (_, index) => `1-${index.toString(16).padStart(2, '0')}${'0'.repeat(30)}`);
  for (const name of names) {
    mkdirSync(join(folder, 'objects-v1', name.slice(2, 4)), { recursive: true });
    writeFileSync(join(folder, 'objects-v1', name.slice(2, 4), name), 'bytes');
  }
  // The rows are gone: the sweep finds that no row names them while the overwriting lets go of them.
  const sweeping = files.sweep((name) => {
    files.discard([name]);
    return false;
  });
  await t.resolves(sweeping);
  await files.close();
  t.same(reports, []);
  const left = readdirSync(join(folder, 'objects-v1'), { recursive: true, withFileTypes: true });
  t.same(
    left.filter((entry) => entry.isFile()),
    [],
  );
});
