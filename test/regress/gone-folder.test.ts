import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

// A recursive mkdir of a relative path asks for "." again and again there, in node 24.
t.test('where the current folder is gone, the command says so and ends', async (t) => {
  const gone = join(t.testdir(), 'gone');
  mkdirSync(gone);
  // What the test runner has node load looks for the current folder too.
  const script = 'rmdir "$PWD"; unset NODE_OPTIONS; exec "$@"';
  const child = spawn('sh', ['-c', script, 'sh', process.execPath, MAIN, 'serve'], {
    cwd: gone,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  t.equal(code, 2);
  t.match(said, /sluice-data.*ENOENT/);
});
