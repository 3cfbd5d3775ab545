import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { access as accessFile, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { inDebian13, ofDebian13, stayInDebian13 } from '../debian-13.ts';
import { run, versionOf } from '../process.ts';
import { type ClientScenario, plantRandom, plantTree, readTree, sha256Of, TREE } from '../scenario.ts';
import { ownBucket } from './own-bucket.ts';

/**
 * s3fs: a bucket as a folder, used by ordinary programs. Those are processes of their own: a call of this one into the
 * mount would wait for a gateway in this process, which waits for the call.
 */
export const s3fs = s3fsAt('s3fs', async () => []);
export const newerS3fs = ofDebian13(s3fsAt(inDebian13('s3fs'), stayInDebian13), 's3fs');

/** @param place makes what its commands begin with in a folder, so that they see one another's mounts */
function s3fsAt(program: string, place: typeof stayInDebian13): ClientScenario {
  return {
    name: 's3fs',
    program,
    version: () => versionOf(program),
    lacks: whyNotToMount,
    async run(t, access) {
      const { endpoint, accessKey, secretKey, folder, bucket } = access;
      const { keys } = await ownBucket(t, access);
      const file = (name: string) => join(folder, name);
      const mount = file('mount');
      mkdirSync(mount);
      writeFileSync(file('password'), `${accessKey}:${secretKey}\n`);
      chmodSync(file('password'), 0o600);
      const first = await place(t, folder);
      const command = async (program: string, ...args: string[]) => {
        const [name = program, ...rest] = [...first, program, ...args];
        const ran = await run(name, rest, { cwd: folder, env: { HOME: folder } });
        t.equal(ran.status, 0, `${program} ${args.join(' ')}\n${ran.stderr}`);
        return ran.stdout;
      };
      const options = [
        `passwd_file=${file('password')}`,
        `url=${endpoint}`,
        'use_path_request_style',
        'multipart_size=5',
      ];
      const attach = () =>
        command('s3fs', bucket, mount, '-o', options.join(','), '-o', 'use_cache=,enable_noobj_cache');
      const detach = () => command('fusermount', '-u', mount);
      await attach();
      // Where the round broke off, it is still mounted.
      t.teardown(() => command('sh', '-c', 'fusermount -u -z "$0" || true', mount));

      plantTree(file('tree'));
      const large = plantRandom(file('large.bin'), 12 * 2 ** 20 + 7);
      await command('cp', '-r', 'tree', 'mount/tree');
      await command('cp', 'large.bin', 'mount/large.bin');
      await command('mv', 'mount/large.bin', 'mount/moved.bin');
      await command('sh', '-c', 'printf " and more" >> mount/tree/plain.txt');
      await command('mkdir', 'mount/empty');
      await command('ln', '-s', 'moved.bin', 'mount/link');
      await command('chmod', '640', 'mount/moved.bin');
      await detach();
      // Mounted anew nothing is known of before.
      await attach();
      await command('cp', '-r', 'mount/tree', 'back');
      t.strictSame(readTree(file('back')), { ...TREE, 'plain.txt': 'plain and more' });
      await command('cp', 'mount/link', 'large.back');
      t.equal(sha256Of(file('large.back')), large, 'in parts, renamed, and through a link');
      t.equal((await command('stat', '-c', '%a %s', 'mount/moved.bin')).trim(), `640 ${12 * 2 ** 20 + 7}`);
      await command('dd', 'if=mount/moved.bin', 'of=middle', 'bs=1', 'skip=7000000', 'count=9', 'status=none');
      t.ok(readFileSync(file('middle')).equals(readFileSync(file('large.bin')).subarray(7_000_000, 7_000_009)));
      t.strictSame((await command('ls', 'mount')).trim().split('\n'), ['empty', 'link', 'moved.bin', 'tree']);
      await command('rm', '-r', 'mount/tree', 'mount/empty', 'mount/link', 'mount/moved.bin');
      await detach();
      t.strictSame(await keys(), []);
    },
  };
}

async function whyNotToMount(): Promise<string | false> {
  const isThere = await accessFile('/dev/fuse', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!isThere) return '/dev/fuse is not to be opened here';
  // Others are helped by a program that may; a root without the right to mount is not.
  if (process.getuid?.() !== 0) return false;
  const tried = await run('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']);
  return tried.status === 0 ? false : 'nothing can be mounted here';
}
