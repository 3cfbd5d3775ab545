import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inDebian13, ofDebian13 } from '../debian-13.ts';
import { run, versionOf } from '../process.ts';
import { type ClientScenario, plantRandom, plantTree, readTree, sha256Of, TREE } from '../scenario.ts';
import { ownBucket } from './own-bucket.ts';

/** duplicity, by boto3: a full backup and one of what changed, verified, restored as of both times, and the old removed. */
export const duplicity: ClientScenario = ofDebian13(
  {
    name: 'duplicity',
    program: undefined,
    version: () => versionOf(inDebian13('duplicity')),
    async run(t, access) {
      const { endpoint, accessKey, secretKey, folder, bucket } = access;
      const { keys } = await ownBucket(t, access);
      const file = (name: string) => join(folder, name);
      const env = { HOME: folder, AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey };
      const where = `boto3+s3://${bucket}/backup`;
      const base = ['--no-encryption', '--archive-dir', file('archive'), '--s3-endpoint-url', endpoint];
      const duplicity = async (...args: string[]) => {
        const [action = '', ...rest] = args;
        const ran = await run(inDebian13('duplicity'), [action, ...base, '--s3-region-name', 'us-east-1', ...rest], {
          env,
          cwd: folder,
        });
        t.equal(ran.status, 0, `duplicity ${action}\n${ran.stdout}${ran.stderr}`);
        return ran.stdout;
      };
      mkdirSync(file('data'));
      plantTree(file('data/tree'));
      const large = plantRandom(file('data/large.bin'), 20 * 2 ** 20);
      // A volume is an object, sent in parts from 8 MiB on.
      await duplicity('full', '--volsize', '12', file('data'), where);
      writeFileSync(file('data/tree/plain.txt'), 'changed');
      await duplicity('incremental', file('data'), where);
      t.match(await duplicity('verify', '--compare-data', where, file('data')), / 0 difference\(s\) found/);
      t.match(await duplicity('collection-status', where), /Incremental/);

      // What it knows of its own is gone, so all comes from the bucket.
      await run('rm', ['-r', file('archive')]);
      await duplicity('restore', where, file('back'));
      t.strictSame(readTree(file('back/tree')), { ...TREE, 'plain.txt': 'changed' });
      t.equal(sha256Of(file('back/large.bin')), large);
      await duplicity('full', file('data'), where);
      await duplicity('remove-all-but-n-full', '1', '--force', where);
      const left = await keys();
      t.equal(left.filter((key) => key.endsWith('.manifest')).length, 1, 'what is old is gone');
      t.ok(left.every((key) => key.startsWith('backup/duplicity-full')));
    },
  },
  'duplicity',
);
