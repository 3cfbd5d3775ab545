import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inDebian13, ofDebian13 } from '../debian-13.ts';
import { run, versionFrom } from '../process.ts';
import { type ClientScenario, plantRandom, plantTree, readTree, sha256Of, TREE } from '../scenario.ts';
import { removeAfterwards } from './own-bucket.ts';

/** restic: a repository from its first backup to its restoration and the removal of what is old. It makes its bucket. */
export const restic = resticAt('restic');
export const newerRestic = ofDebian13(resticAt(inDebian13('restic')), 'restic');

function resticAt(program: string): ClientScenario {
  return {
    name: 'restic',
    program,
    version: () => versionFrom(program, 'version'),
    async run(t, access) {
      const { endpoint, accessKey, secretKey, folder, bucket } = access;
      const { keys } = removeAfterwards(t, access);
      const file = (name: string) => join(folder, name);
      const env = {
        HOME: folder,
        RESTIC_REPOSITORY: `s3:${endpoint}/${bucket}/repo`,
        RESTIC_PASSWORD: 'of no value',
        RESTIC_CACHE_DIR: file('cache'),
        AWS_ACCESS_KEY_ID: accessKey,
        AWS_SECRET_ACCESS_KEY: secretKey,
      };
      const restic = async (...args: string[]) => {
        const ran = await run(program, args, { env, cwd: folder });
        t.equal(ran.status, 0, `restic ${args[0]}\n${ran.stderr}`);
        return ran.stdout;
      };
      mkdirSync(file('data'));
      plantTree(file('data/tree'));
      const large = plantRandom(file('data/large.bin'), 20 * 2 ** 20);
      await restic('init');
      await restic('backup', 'data');
      writeFileSync(file('data/tree/plain.txt'), 'changed');
      await restic('backup', 'data');
      t.match(await restic('check', '--read-data'), 'no errors were found');
      t.match(await restic('snapshots'), '2 snapshots');
      await restic('restore', 'latest', '--target', file('back'));
      t.strictSame(readTree(file('back/data/tree')), { ...TREE, 'plain.txt': 'changed' });
      t.equal(sha256Of(file('back/data/large.bin')), large);
      await restic('forget', '--keep-last', '1', '--prune');
      t.match(await restic('check', '--read-data', '--no-cache'), 'no errors were found');
      t.equal((await keys()).filter((key) => key.startsWith('repo/snapshots/')).length, 1, 'what is old is gone');
      t.strictSame(
        (await keys()).filter((key) => key.startsWith('repo/locks/')),
        [],
        'no lock is left',
      );
    },
  };
}
