import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inDebian13, ofDebian13, packageOfDebian13 } from '../debian-13.ts';
import { fetchUrl } from '../loopback.ts';
import { run } from '../process.ts';
import { type ClientScenario, LARGE, plantRandom, plantTree, readTree, sha256Of, TREE } from '../scenario.ts';

const PROGRAM = 'minio-client';

/** MinIO's command line, `mc` by its own name: the commands of a file system on a bucket. */
export const mc: ClientScenario = ofDebian13(
  {
    name: 'mc',
    program: undefined,
    version: () => packageOfDebian13(PROGRAM),
    async run(t, { endpoint, accessKey, secretKey, folder, bucket, large: size = LARGE }) {
      const env = {
        HOME: folder,
        MC_HOST_gw: endpoint.replace('://', `://${accessKey}:${secretKey}@`),
      };
      const mc = async (...args: string[]) => {
        const ran = await run(inDebian13(PROGRAM), ['--config-dir', file('config'), '--json', ...args], {
          env,
          cwd: folder,
        });
        t.equal(ran.status, 0, `mc ${args.slice(0, 2).join(' ')}\n${ran.stdout.slice(-2000)}${ran.stderr}`);
        return ran.stdout;
      };
      const rows = (text: string) =>
        text
          .trim()
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line));
      const file = (name: string) => join(folder, name);

      await mc('mb', `gw/${bucket}`);
      t.match(await mc('ls', 'gw'), bucket);
      mkdirSync(file('tree'));
      plantTree(file('tree'));
      writeFileSync(file('small.txt'), 'hello');
      const large = plantRandom(file('large.bin'), size);
      await mc('cp', '--attr', 'Content-Type=text/x-test;who=me', file('small.txt'), `gw/${bucket}/dir/small.txt`);
      const [stat] = rows(await mc('stat', `gw/${bucket}/dir/small.txt`));
      t.match(stat, { size: 5, metadata: { 'Content-Type': 'text/x-test', 'X-Amz-Meta-Who': 'me' } });
      // Above 16 MiB it sends parts.
      await mc('cp', file('large.bin'), `gw/${bucket}/large.bin`);
      await mc('cp', `gw/${bucket}/large.bin`, file('large.back'));
      t.equal(sha256Of(file('large.back')), large);
      await mc('cp', `gw/${bucket}/large.bin`, `gw/${bucket}/copy ü.bin`);
      await mc('mv', `gw/${bucket}/copy ü.bin`, `gw/${bucket}/moved.bin`);
      await mc('cp', `gw/${bucket}/moved.bin`, file('moved.back'));
      t.equal(sha256Of(file('moved.back')), large, 'copied on the server');
      t.equal(await mc('cat', `gw/${bucket}/dir/small.txt`), 'hello');
      t.equal(await mc('cat', '--offset', '2', `gw/${bucket}/dir/small.txt`), 'llo', 'a range');

      const piped = await run(inDebian13(PROGRAM), ['--config-dir', file('config'), 'pipe', `gw/${bucket}/piped`], {
        env,
        input: 'by a pipe',
      });
      t.equal(piped.status, 0, piped.stderr);
      t.equal(await mc('cat', `gw/${bucket}/piped`), 'by a pipe');

      await mc('mirror', file('tree'), `gw/${bucket}/tree`);
      const listed = rows(await mc('ls', '--recursive', `gw/${bucket}/tree`)).map(({ key }) => key);
      t.strictSame(listed.sort(), Object.keys(TREE).sort());
      writeFileSync(file('tree/plain.txt'), 'changed');
      // What was changed within the second of its upload is newer to mc than an object whose time has no fractions.
      utimesSync(file('tree/plain.txt'), new Date(0), new Date(0));
      await mc('mirror', '--overwrite', '--remove', file('tree'), `gw/${bucket}/tree`);
      await mc('mirror', `gw/${bucket}/tree`, file('tree-back'));
      t.strictSame(readTree(file('tree-back')), { ...TREE, 'plain.txt': 'changed' });
      t.equal(readFileSync(file('tree-back/plain.txt'), 'utf8'), 'changed');
      t.equal((await mc('diff', file('tree'), `gw/${bucket}/tree`)).trim(), '', 'a comparison finds nothing');

      const [{ share }] = rows(await mc('share', 'download', '--expire', '10m', `gw/${bucket}/dir/small.txt`));
      t.strictSame(await fetchUrl(share), { status: 200, text: 'hello' });
      t.equal((await fetchUrl(share.replace('small', 'smalI'))).status, 403);

      await mc('rm', `gw/${bucket}/dir/small.txt`);
      await mc('rm', '--recursive', '--force', `gw/${bucket}/tree`);
      t.strictSame(
        rows(await mc('ls', '--recursive', `gw/${bucket}`)).map(({ key }) => key),
        ['large.bin', 'moved.bin', 'piped'],
      );
      await mc('rb', '--force', `gw/${bucket}`);
      t.notMatch(await mc('ls', 'gw'), bucket);
    },
  },
  PROGRAM,
);
