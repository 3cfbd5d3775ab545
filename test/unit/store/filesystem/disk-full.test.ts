import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { temporaryFolder } from '../../../support/filesystem-store.ts';

const SCRIPT = new URL('../../../support/full-disk.ts', import.meta.url).pathname;

/** A mount namespace of its own: the small file system goes with the process, whatever becomes of it. */
const NAMESPACE = process.getuid?.() === 0 ? ['-m'] : ['-Urm'];
const canMount = spawnSync('unshare', [...NAMESPACE, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

t.test(
  'on a full disk a write is refused and leaves nothing, and once there is room again all goes on',
  { skip: !canMount && 'no right to mount a tmpfs here' },
  async (t) => {
    const folder = join(temporaryFolder(t), 'disk');
    mkdirSync(folder);
    const command = `mount -t tmpfs -o size=16m tmpfs "$1" && exec "$2" "$3" "$1"`;
    const run = spawnSync('unshare', [...NAMESPACE, 'sh', '-c', command, 'sh', folder, process.execPath, SCRIPT], {
      encoding: 'utf8',
    });
    t.equal(run.status, 0, run.stderr);
    t.match(JSON.parse(run.stdout), {
      big: 'ServiceUnavailable',
      part: 'ServiceUnavailable',
      filesAfterBig: 1,
      small: 'ServiceUnavailable',
      smallStored: /^[1-9]/,
      areWhole: true,
      filesAtEnd: 1,
      overwritten: 'ServiceUnavailable',
      survivor: true,
      afterwards: 200,
    });
  },
);
