import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchUrl } from '../loopback.ts';
import { run } from '../process.ts';
import { type ClientScenario, plantRandom, sha256Of } from '../scenario.ts';

/** `s3` of libs3, the library that C programs use: SigV4 of its own making. */
export const libs3: ClientScenario = {
  name: 'libs3',
  program: '/usr/bin/s3',
  version: async () => (await run('dpkg-query', ['-W', '-f', '${source:Upstream-Version}', 'libs3-2'])).stdout,
  async run(t, { endpoint, accessKey, secretKey, folder, bucket }) {
    const file = (name: string) => join(folder, name);
    const env = {
      S3_ACCESS_KEY_ID: accessKey,
      S3_SECRET_ACCESS_KEY: secretKey,
      S3_HOSTNAME: endpoint.replace('http://', ''),
    };
    const s3 = async (...args: string[]) => {
      const ran = await run('/usr/bin/s3', ['-u', '-r', '0', ...args], { env });
      t.equal(ran.status, 0, `s3 ${args.join(' ')}\n${ran.stdout}${ran.stderr}`);
      return ran.stdout;
    };
    await s3('create', bucket);
    t.match(await s3('list'), bucket);
    writeFileSync(file('small.txt'), 'hello');
    // Above 15 MiB it sends parts.
    const large = plantRandom(file('large.bin'), 20 * 2 ** 20 + 7);
    await s3(
      'put',
      `${bucket}/dir/small.txt`,
      `filename=${file('small.txt')}`,
      'contentType=text/x-test',
      'x-amz-meta-who=me',
    );
    await s3('put', `${bucket}/large.bin`, `filename=${file('large.bin')}`);
    t.match(await s3('head', `${bucket}/dir/small.txt`), /Content-Type: text\/x-test[\s\S]*who: me/);
    await s3('get', `${bucket}/large.bin`, `filename=${file('large.back')}`);
    t.equal(sha256Of(file('large.back')), large);
    await s3('get', `${bucket}/large.bin`, `filename=${file('range')}`, 'startByte=9000000', 'byteCount=9');
    t.ok(readFileSync(file('range')).equals(readFileSync(file('large.bin')).subarray(9_000_000, 9_000_009)));
    await s3('copy', `${bucket}/dir/small.txt`, `${bucket}/copy`);
    t.match(await s3('list', bucket, 'delimiter=/'), /copy[\s\S]*large\.bin[\s\S]*Common Prefix: dir\//);
    const url = (await s3('gqs', `${bucket}/copy`)).trim();
    t.strictSame(await fetchUrl(url.replace('https://', 'http://')), { status: 200, text: 'hello' });
    for (const key of ['dir/small.txt', 'large.bin', 'copy']) await s3('delete', `${bucket}/${key}`);
    await s3('delete', bucket);
    t.notMatch(await s3('list'), bucket);
  },
};
