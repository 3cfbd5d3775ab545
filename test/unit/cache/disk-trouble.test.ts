import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { diskFolder } from '../../support/disk-folder.ts';

const SCRIPT = new URL('../../support/failing-cache-disk.ts', import.meta.url).pathname;

/** A mount namespace of its own: the small file system goes with the process, whatever becomes of it. */
const NAMESPACE = process.getuid?.() === 0 ? ['-m'] : ['-Urm'];
const canMount = spawnSync('unshare', [...NAMESPACE, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

/** Everybody gets the vendor's bytes; nothing new is kept for a while, and then it is again. */
const EXPECTED = {
  known: 'revalidated',
  during: ['miss', 'miss', 'miss'],
  hasErrors: true,
  after: ['miss', 'miss'],
  again: ['revalidated', 'revalidated'],
  isFromCache: true,
  survived: 'revalidated',
};

/** Takes away what the test runner puts into every process: its own files would meet the limits under test. */
const UNWATCHED = 'unset NODE_OPTIONS NODE_V8_COVERAGE';

for (const [id, trouble] of [
  ['R40', 'full'],
  ['R41', 'read-only'],
] as const) {
  t.test(
    `${id} on a cache disk that is ${trouble} nobody misses anything, and it comes back by itself`,
    { skip: !canMount && 'no right to mount a tmpfs here' },
    async (t) => {
      const folder = join(diskFolder(t), 'disk');
      mkdirSync(folder);
      const command = `mount -t tmpfs -o size=8m tmpfs "$1" && exec "$2" "$3" "$1" "$4"`;
      const run = spawnSync(
        'unshare',
        [...NAMESPACE, 'sh', '-c', command, 'sh', folder, process.execPath, SCRIPT, trouble],
        { encoding: 'utf8' },
      );
      t.equal(run.status, 0, run.stderr);
      t.match(JSON.parse(run.stdout), { ...EXPECTED, knownDuring: /^(revalidated|miss)$/ });
    },
  );
}

t.test('R40 files that the disk does not take are passed through, and others kept', async (t) => {
  // In KiB; node ignores the signal, so that writing beyond it is an error like any other.
  const command = `${UNWATCHED} && ulimit -f 2000 && exec "$1" "$2" "$3" file-size`;
  const run = spawnSync('bash', ['-c', command, 'bash', process.execPath, SCRIPT, diskFolder(t)], { encoding: 'utf8' });
  t.equal(run.status, 0, run.stderr);
  t.match(JSON.parse(run.stdout), { ...EXPECTED, knownDuring: 'revalidated' });
});

t.test('R43 without a file descriptor a kept object is 503, and still there once there are some again', async (t) => {
  const command = `${UNWATCHED} && ulimit -n 64 && exec "$1" "$2" "$3" descriptors`;
  const run = spawnSync('bash', ['-c', command, 'bash', process.execPath, SCRIPT, diskFolder(t)], { encoding: 'utf8' });
  t.equal(run.status, 0, run.stderr);
  t.match(JSON.parse(run.stdout), {
    ...EXPECTED,
    knownDuring: 'WRONG 503 ServiceUnavailable',
    knownAfter: 'revalidated',
  });
});
