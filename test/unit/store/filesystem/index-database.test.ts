import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { openIndex } from '../../../../src/store/filesystem/index-database.ts';
import { temporaryFolder } from '../../../support/filesystem-store.ts';

t.test('an index opened twice gives both the same epoch; alone again, the next', async (t) => {
  const folder = temporaryFolder(t);
  const first = openIndex(folder);
  const second = openIndex(folder);
  t.equal(second.epoch, first.epoch, 'the first may have uploads under way');
  first.close();
  const third = openIndex(folder);
  t.equal(third.epoch, second.epoch);
  second.close();
  third.close();
  const fourth = openIndex(folder);
  t.equal(fourth.epoch, first.epoch + 1);
  fourth.close();
});

t.test('a newer format is refused', async (t) => {
  const folder = temporaryFolder(t);
  openIndex(folder).close();
  const db = new DatabaseSync(`${folder}/index-v1.sqlite`);
  db.exec('PRAGMA user_version = 99');
  db.close();
  t.throws(() => openIndex(folder), { message: /newer Sluice: its format is 99, this one knows 1/ });
});

t.test('another process neither sweeps nor removes the log under one that has opened the folder twice', async (t) => {
  const folder = temporaryFolder(t);
  const first = openIndex(folder);
  // As a reload of the configuration does.
  openIndex(folder).close();
  const module = new URL('../../../../src/store/filesystem/index-database.ts', import.meta.url).href;
  const script = `const { openIndex } = await import(process.argv[1]);
    const index = openIndex(process.argv[2]);
    console.log(index.epoch);
    index.close();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, module, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  await once(child, 'close');
  t.equal(Number(output), first.epoch);
  t.ok(existsSync(`${folder}/index-v1.sqlite-wal`));
  first.close();
});
