import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inDebian13, ofDebian13 } from '../debian-13.ts';
import { fetchUrl, proxyEnvironment } from '../loopback.ts';
import { installedAt, run, versionOf } from '../process.ts';
import {
  type Check,
  type ClientAccess,
  type ClientScenario,
  LARGE,
  plantRandom,
  plantTree,
  readTree,
  sha256Of,
  TREE,
} from '../scenario.ts';

/** The first awscli on the PATH: the `s3` commands people use, and `s3api` where they have no word for it. */
export const awscli: ClientScenario = {
  name: 'awscli',
  program: 'aws',
  version: () => versionOf('aws'),
  run: (t, access) => round(t, access, 'aws'),
};

/** Both generations: Debian has the second, pip installs the first. */
export const awscliGenerations: readonly ClientScenario[] = (['1', '2'] as const).map((generation) => ({
  name: `awscli ${generation}`,
  program: undefined,
  lacks: async () => (await programOf(generation)) === undefined && `no awscli ${generation} is installed`,
  version: async () => versionOf((await programOf(generation)) ?? 'aws'),
  run: async (t, access) => round(t, access, (await programOf(generation)) ?? 'aws'),
}));

/** With the checksums that every request has had since 2.23. */
export const newerAwscli = ofDebian13(
  {
    name: 'awscli 2',
    program: undefined,
    version: () => versionOf(inDebian13('aws')),
    run: (t, access) => round(t, access, inDebian13('aws')),
  },
  'aws',
);

async function programOf(generation: string): Promise<string | undefined> {
  for (const program of installedAt('aws')) {
    if ((await versionOf(program)).startsWith(`${generation}.`)) return program;
  }
  return undefined;
}

async function round(t: Check, access: ClientAccess, program: string): Promise<void> {
  const { endpoint, accessKey, secretKey, folder, bucket, large: size = LARGE, hasMd5ETags = true, direct } = access;
  const parts = size < LARGE ? '  multipart_threshold = 5MB\n  multipart_chunksize = 5MB\n' : '';
  const config = `[default]\ns3 =\n  addressing_style = ${direct?.addressing ?? 'path'}\n${parts}`;
  writeFileSync(join(folder, 'aws-config'), config);
  const env = {
    AWS_CONFIG_FILE: join(folder, 'aws-config'),
    ...(direct && { AWS_MAX_ATTEMPTS: '1' }),
    ...proxyEnvironment(direct?.proxyPort),
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretKey,
    AWS_DEFAULT_REGION: direct?.region ?? 'eu-west-9',
    AWS_EC2_METADATA_DISABLED: 'true',
    HOME: folder,
  };
  const aws = async (...args: string[]) => {
    const ran = await run(program, ['--endpoint-url', endpoint, ...args], { env });
    t.equal(ran.status, 0, `aws ${args.slice(0, 3).join(' ')}\n${ran.stderr}`);
    return ran.stdout;
  };
  const file = (name: string) => join(folder, name);

  await aws('s3', 'mb', `s3://${bucket}`);

  writeFileSync(file('small.txt'), 'hello');
  const large = plantRandom(file('large.bin'), size);
  await aws('s3', 'cp', file('small.txt'), `s3://${bucket}/dir/small.txt`);
  await aws('s3', 'cp', file('large.bin'), `s3://${bucket}/large.bin`);
  await aws('s3', 'cp', `s3://${bucket}/large.bin`, file('large.back'));
  t.equal(sha256Of(file('large.back')), large);
  const head = JSON.parse(await aws('s3api', 'head-object', '--bucket', bucket, '--key', 'large.bin'));
  t.match(head, { ContentLength: size, ETag: hasMd5ETags ? /^"[0-9a-f]{32}-\d+"$/ : /^".+"$/ });

  const listed = JSON.parse(await aws('s3api', 'list-objects-v2', '--bucket', bucket, '--delimiter', '/'));
  t.match(listed, { Contents: [{ Key: 'large.bin', Size: size }], CommonPrefixes: [{ Prefix: 'dir/' }] });

  await aws('s3', 'cp', `s3://${bucket}/dir/small.txt`, `s3://${bucket}/copy of small.txt`);
  await aws('s3', 'cp', `s3://${bucket}/large.bin`, `s3://${bucket}/large-copy.bin`);
  await aws('s3', 'cp', `s3://${bucket}/large-copy.bin`, file('large-copy.back'));
  t.equal(sha256Of(file('large-copy.back')), large, 'copied in parts');

  mkdirSync(file('tree'));
  plantTree(file('tree'));
  await aws('s3', 'sync', file('tree'), `s3://${bucket}/tree`);
  await aws('s3', 'sync', `s3://${bucket}/tree`, file('tree-back'));
  t.strictSame(readTree(file('tree-back')), TREE);

  // Each command starts a Python: many services in a row do without what a round or two of all of it shows.
  if (size === LARGE) {
    t.match(await aws('s3', 'ls'), bucket);
    const v1 = JSON.parse(await aws('s3api', 'list-objects', '--bucket', bucket, '--prefix', 'dir/'));
    t.match(v1, {
      Contents: [
        { Key: 'dir/small.txt', Size: 5, ETag: hasMd5ETags ? '"5d41402abc4b2a76b9719d911017c592"' : /^".+"$/ },
      ],
    });
    await aws('s3api', 'get-object', '--bucket', bucket, '--key', 'large.bin', '--range', 'bytes=-7', file('range'));
    t.strictSame(readFileSync(file('range')), readFileSync(file('large.bin')).subarray(-7));
    const url = (await aws('s3', 'presign', `s3://${bucket}/copy of small.txt`)).trim();
    t.equal((await fetchUrl(url)).text, 'hello');
    t.equal((await fetchUrl(url.replace(/.$/, (last) => (last === '0' ? '1' : '0')))).status, 403);
    t.equal(await aws('s3', 'sync', file('tree'), `s3://${bucket}/tree`), '', 'a second sync finds nothing to do');
    await aws('s3', 'rm', '--recursive', `s3://${bucket}/tree`);
    await aws('s3', 'rm', `s3://${bucket}/dir/small.txt`);
  }
  await aws('s3', 'rb', '--force', `s3://${bucket}`);
  if (size === LARGE) t.notMatch(await aws('s3', 'ls'), bucket);
}
