import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../support/free-port.ts';
import { inDebian13, ofDebian13 } from '../debian-13.ts';
import { isInstalled, type Ran, run, versionOf } from '../process.ts';
import type { ClientAccess, ClientScenario } from '../scenario.ts';
import { ownBucket } from './own-bucket.ts';

const UNITS = [1, 2, 3, 4];

/** sccache: compiles twice, and the second time nothing. */
export const sccache = sccacheAt('sccache', 'gcc');
export const newerSccache = ofDebian13(sccacheAt(inDebian13('sccache'), inDebian13('gcc')), 'sccache', 'Debian sid');

function sccacheAt(program: string, gcc: string): ClientScenario {
  return {
    name: 'sccache',
    program,
    version: () => versionOf(program),
    async lacks() {
      if (!isInstalled(gcc)) return 'gcc is not installed';
      const nowhere = {
        endpoint: 'http://127.0.0.1:9',
        accessKey: 'x',
        secretKey: 'x',
        folder: '/nonexistent',
        bucket: 'x',
      };
      const started = await (await sccacheFor(program, nowhere))('--start-server');
      const why = started.stderr + (await (await sccacheFor(program, nowhere))('--show-stats')).stderr;
      return (
        /cache type is not enabled/.test(why) &&
        'those of Debian 12 and 13 are built without S3; the row below is a later one'
      );
    },
    async run(t, access) {
      const { folder } = access;
      const { keys } = await ownBucket(t, access);
      const sccache = await sccacheFor(program, access);
      t.teardown(() => sccache('--stop-server'));
      for (const unit of UNITS) {
        writeFileSync(join(folder, `unit${unit}.c`), `int f${unit}(int x) { return x * ${unit + 2}; }\n`);
      }
      const compileAll = async (round: string): Promise<string> => {
        mkdirSync(join(folder, round));
        const started = await sccache('--start-server');
        t.equal(started.status, 0, started.stderr);
        for (const unit of UNITS) {
          const compiled = await sccache('gcc', '-c', `unit${unit}.c`, '-o', `${round}/${unit}.o`);
          t.equal(compiled.status, 0, compiled.stderr);
        }
        const { stdout } = await sccache('--show-stats');
        await sccache('--stop-server');
        return stdout;
      };
      t.match(await compileAll('first'), /Cache misses +4/);
      t.ok((await keys()).length >= UNITS.length);
      t.match(await compileAll('second'), /Cache hits +4/);
      for (const unit of UNITS) {
        const [first, second] = ['first', 'second'].map((round) => readFileSync(join(folder, round, `${unit}.o`)));
        t.ok(first !== undefined && second?.equals(first));
      }
    },
  };
}

/** A server of its own for each round: it keeps running between calls, and would be taken for another's. */
async function sccacheFor(program: string, { endpoint, accessKey, secretKey, folder, bucket }: ClientAccess) {
  const env = {
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretKey,
    SCCACHE_BUCKET: bucket,
    SCCACHE_ENDPOINT: endpoint.replace('http://', ''),
    SCCACHE_S3_USE_SSL: 'false',
    SCCACHE_REGION: 'us-east-1',
    SCCACHE_S3_KEY_PREFIX: 'objects',
    SCCACHE_SERVER_PORT: String(await freePort()),
    SCCACHE_DIR: join(folder, 'unused'),
    HOME: folder,
  };
  const cwd = folder === '/nonexistent' ? '/' : folder;
  return (...args: string[]): Promise<Ran> => run(program, args, { env, cwd });
}
