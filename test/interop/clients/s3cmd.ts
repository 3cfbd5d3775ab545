import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inDebian13, ofDebian13 } from '../debian-13.ts';
import { fetchUrl } from '../loopback.ts';
import { run, versionOf } from '../process.ts';
import { type ClientScenario, LARGE, plantRandom, plantTree, readTree, sha256Of, TREE } from '../scenario.ts';

/** s3cmd in its default SigV4; `--signature-v2` has its own row in the client matrix. */
export const s3cmd = s3cmdAt('s3cmd');
export const newerS3cmd = ofDebian13(s3cmdAt(inDebian13('s3cmd')), 's3cmd');

/** The same with the legacy signature. */
export const s3cmdV2 = s3cmdAt('s3cmd', '--signature-v2');

function s3cmdAt(program: string, ...options: readonly string[]): ClientScenario {
  return {
    name: ['s3cmd', ...options].join(' '),
    program,
    version: () => versionOf(program),
    run: (t, access) => round(t, access, program, options),
  };
}

async function round(
  t: Parameters<ClientScenario['run']>[0],
  {
    endpoint,
    accessKey,
    secretKey,
    folder,
    bucket,
    large: size = LARGE,
    hasMd5ETags = true,
    direct,
  }: Parameters<ClientScenario['run']>[1],
  program: string,
  options: readonly string[],
): Promise<void> {
  const host = endpoint.replace('http://', '');
  const file = (name: string) => join(folder, name);
  const proxy = direct && `proxy_host = 127.0.0.1\nproxy_port = ${direct.proxyPort}\n`;
  writeFileSync(file('s3cfg'), `[default]\n${proxy ?? ''}`);
  const base = [
    ...['-c', file('s3cfg'), '--access_key', accessKey, '--secret_key', secretKey, '--no-ssl', '--no-progress'],
    ...['--host', host, '--host-bucket', direct?.addressing === 'virtual' ? `%(bucket)s.${host}` : host],
    ...['--region', direct?.region ?? 'us-east-1', ...options],
    ...(size < LARGE ? ['--multipart-chunk-size-mb', '5'] : []),
  ];
  const s3 = async (...args: string[]) => {
    const ran = await run(program, [...base, ...args], { env: { HOME: folder } });
    t.equal(ran.status, 0, `s3cmd ${args.slice(0, 2).join(' ')}\n${ran.stderr}`);
    return ran.stdout;
  };

  await s3('mb', `s3://${bucket}`);
  t.match(await s3('ls'), bucket);
  writeFileSync(file('small.txt'), 'hello');
  const large = plantRandom(file('large.bin'), size);
  await s3('put', file('small.txt'), `s3://${bucket}/dir/small.txt`);
  await s3('put', file('large.bin'), `s3://${bucket}/large.bin`);
  await s3('get', `s3://${bucket}/large.bin`, file('large.back'));
  t.equal(sha256Of(file('large.back')), large);
  t.match(await s3('ls', `s3://${bucket}/`), /DIR.*dir\/[\s\S]*large\.bin/);
  const md5 = hasMd5ETags ? '5d41402abc4b2a76b9719d911017c592' : 'MD5 sum';
  t.match(await s3('info', `s3://${bucket}/dir/small.txt`), md5);

  writeFileSync(file('partial.bin'), readFileSync(file('large.bin')).subarray(0, size - 1000));
  await s3('get', '--continue', `s3://${bucket}/large.bin`, file('partial.bin'));
  t.equal(sha256Of(file('partial.bin')), large, 'a download goes on with a range');

  await s3('cp', `s3://${bucket}/dir/small.txt`, `s3://${bucket}/copy of small+.txt`);
  await s3('get', `s3://${bucket}/copy of small+.txt`, file('copy.back'));
  t.equal(readFileSync(file('copy.back'), 'utf8'), 'hello');
  await s3('mv', `s3://${bucket}/copy of small+.txt`, `s3://${bucket}/moved.txt`);

  const url = (await s3('signurl', `s3://${bucket}/moved.txt`, '+600')).trim().replace('https://', 'http://');
  const signed = await fetchUrl(url);
  t.equal(signed.text, 'hello', `presigned, always by SigV2 in s3cmd: ${signed.status}`);

  mkdirSync(file('tree'));
  plantTree(file('tree'));
  await s3('sync', `${file('tree')}/`, `s3://${bucket}/tree/`);
  mkdirSync(file('tree-back'));
  await s3('sync', `s3://${bucket}/tree/`, `${file('tree-back')}/`);
  t.strictSame(readTree(file('tree-back')), TREE);

  await s3('del', '--recursive', '--force', `s3://${bucket}`);
  await s3('rb', `s3://${bucket}`);
  t.notMatch(await s3('ls'), bucket);
}
