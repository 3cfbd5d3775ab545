import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inDebian13, ofDebian13 } from '../debian-13.ts';
import { fetchUrl, proxyEnvironment } from '../loopback.ts';
import { run, versionOf } from '../process.ts';
import { type ClientScenario, LARGE, plantRandom, plantTree, readTree, sha256Of, TREE } from '../scenario.ts';

/** rclone, with its checks on: it compares sizes, times and MD5s after every transfer. */
export const rclone = rcloneAt('rclone');
export const newerRclone = ofDebian13(rcloneAt(inDebian13('rclone')), 'rclone', 'Debian sid');

function rcloneAt(program: string): ClientScenario {
  return {
    name: 'rclone',
    program,
    version: () => versionOf(program),
    async run(t, { endpoint, accessKey, secretKey, folder, bucket, large: size = LARGE, direct }) {
      const env = {
        HOME: folder,
        RCLONE_CONFIG: join(folder, 'rclone.conf'),
        RCLONE_CONFIG_GW_TYPE: 's3',
        RCLONE_CONFIG_GW_PROVIDER: 'Other',
        RCLONE_CONFIG_GW_ENDPOINT: endpoint,
        RCLONE_CONFIG_GW_ACCESS_KEY_ID: accessKey,
        RCLONE_CONFIG_GW_SECRET_ACCESS_KEY: secretKey,
        RCLONE_S3_CHUNK_SIZE: size < LARGE ? '5Mi' : '8Mi',
        RCLONE_S3_UPLOAD_CUTOFF: size < LARGE ? '5Mi' : '20Mi',
        ...(direct && {
          RCLONE_CONFIG_GW_REGION: direct.region,
          RCLONE_CONFIG_GW_LOCATION_CONSTRAINT: direct.region,
          RCLONE_CONFIG_GW_FORCE_PATH_STYLE: String(direct.addressing === 'path'),
          RCLONE_RETRIES: '1',
          RCLONE_LOW_LEVEL_RETRIES: '1',
          ...proxyEnvironment(direct.proxyPort),
        }),
      };
      const rc = async (...args: string[]) => {
        const ran = await run(program, args, { env });
        t.equal(ran.status, 0, `rclone ${args.slice(0, 2).join(' ')}\n${ran.stderr}`);
        return ran.stdout;
      };
      const file = (name: string) => join(folder, name);

      await rc('mkdir', `gw:${bucket}`);
      t.match(await rc('lsd', 'gw:'), bucket);
      mkdirSync(file('tree'));
      plantTree(file('tree'));
      const large = plantRandom(file('large.bin'), size);
      await rc('sync', file('tree'), `gw:${bucket}/tree`);
      await rc('copyto', file('large.bin'), `gw:${bucket}/large.bin`);
      await rc('check', file('tree'), `gw:${bucket}/tree`);
      await rc('check', '--download', file('tree'), `gw:${bucket}/tree`);
      await rc('copyto', `gw:${bucket}/large.bin`, file('large.back'));
      t.equal(sha256Of(file('large.back')), large);
      t.match(await rc('lsf', `gw:${bucket}`), /^large\.bin\ntree\/\n$/);

      t.equal(await rc('cat', '--offset', '2', '--count', '3', `gw:${bucket}/tree/plain.txt`), 'ain', 'a range');
      await rc('copyto', `gw:${bucket}/large.bin`, `gw:${bucket}/copy ü.bin`);
      await rc('moveto', `gw:${bucket}/copy ü.bin`, `gw:${bucket}/moved.bin`);
      await rc('copyto', `gw:${bucket}/moved.bin`, file('moved.back'));
      t.equal(sha256Of(file('moved.back')), large, 'copied on the server');

      const url = (await rc('link', '--expire', '10m', `gw:${bucket}/tree/plain.txt`)).trim();
      t.equal((await fetchUrl(url)).text, 'plain');

      writeFileSync(file('tree/plain.txt'), 'changed');
      await rc('sync', file('tree'), `gw:${bucket}/tree`);
      await rc('sync', `gw:${bucket}/tree`, file('tree-back'));
      t.strictSame(readTree(file('tree-back')), { ...TREE, 'plain.txt': 'changed' });
      t.equal(readFileSync(file('tree-back/plain.txt'), 'utf8'), 'changed');

      await rc('purge', `gw:${bucket}`);
      t.notMatch(await rc('lsd', 'gw:'), bucket);
    },
  };
}
