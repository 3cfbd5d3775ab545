import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inDebian13, ofDebian13 } from '../debian-13.ts';
import { run, versionOf } from '../process.ts';
import { type ClientScenario, LARGE, plantRandom, sha256Of } from '../scenario.ts';

/** curl's own SigV4: no SDK between the wire and us. */
export const curl = curlAt('curl');
export const newerCurl = ofDebian13(curlAt(inDebian13('curl')), 'curl');

function curlAt(program: string): ClientScenario {
  return {
    name: 'curl --aws-sigv4',
    program,
    version: () => versionOf(program),
    async run(t, { endpoint, accessKey, secretKey, folder, bucket, large: size = LARGE }) {
      const base = ['-sS', '--aws-sigv4', 'aws:amz:us-east-1:s3', '--user', `${accessKey}:${secretKey}`];
      const file = (name: string) => join(folder, name);
      // curl 7.88 does not send the payload hash S3 demands unless told.
      const unsigned = ['-H', 'x-amz-content-sha256: UNSIGNED-PAYLOAD'];
      const curlRun = async (path: string, ...args: string[]) => {
        const ran = await run(program, [...base, ...unsigned, '-w', '\n%{http_code}', ...args, `${endpoint}/${path}`]);
        const at = ran.stdout.lastIndexOf('\n');
        return { body: ran.stdout.slice(0, at), status: Number(ran.stdout.slice(at + 1)) };
      };

      t.equal((await curlRun(bucket, '-X', 'PUT')).status, 200);
      t.match((await curlRun('')).body, `<Name>${bucket}</Name>`);
      writeFileSync(file('small.txt'), 'hello');
      const large = plantRandom(file('large.bin'), size);
      t.equal((await curlRun(`${bucket}/dir/small.txt`, '-T', file('small.txt'))).status, 200);
      t.equal((await curlRun(`${bucket}/large.bin`, '-T', file('large.bin'))).status, 200);
      t.equal((await curlRun(`${bucket}/large.bin`, '-o', file('large.back'))).status, 200);
      t.equal(sha256Of(file('large.back')), large);

      const half = Math.max(Math.ceil(size / 2), 5 * 2 ** 20);
      const bytes = readFileSync(file('large.bin'));
      writeFileSync(file('part1'), bytes.subarray(0, half));
      writeFileSync(file('part2'), bytes.subarray(half));
      const begun = await curlRun(`${bucket}/in-parts.bin?uploads=`, '-X', 'POST');
      const id = /<UploadId>(.*)<\/UploadId>/.exec(begun.body)?.[1] ?? '';
      for (const part of [1, 2]) {
        const sent = await curlRun(
          `${bucket}/in-parts.bin?partNumber=${part}&uploadId=${id}`,
          '-T',
          file(`part${part}`),
        );
        t.equal(sent.status, 200);
      }
      const parts = (await curlRun(`${bucket}/in-parts.bin?uploadId=${id}`)).body;
      const etags = [...parts.matchAll(/<ETag>(.*?)<\/ETag>/g)].map((match) => match[1]);
      t.equal(etags.length, 2);
      const list = etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
      const complete = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`;
      const done = await curlRun(
        `${bucket}/in-parts.bin?uploadId=${id}`,
        '-X',
        'POST',
        '-H',
        'content-type: application/xml',
        '--data-binary',
        complete,
      );
      t.match(done.body, '<CompleteMultipartUploadResult');
      await curlRun(`${bucket}/in-parts.bin`, '-o', file('in-parts.back'));
      t.equal(sha256Of(file('in-parts.back')), large);

      t.match((await curlRun(`${bucket}?delimiter=%2F&list-type=2`)).body, '<Prefix>dir/</Prefix>');
      const range = await curlRun(`${bucket}/dir/small.txt`, '-H', 'range: bytes=1-2');
      t.strictSame(range, { body: 'el', status: 206 });
      const copy = await curlRun(
        `${bucket}/copy.txt`,
        '-X',
        'PUT',
        '-H',
        `x-amz-copy-source: /${bucket}/dir/small.txt`,
      );
      t.match(copy.body, '<CopyObjectResult');
      t.equal((await curlRun(`${bucket}/copy.txt`)).body, 'hello');
      t.match((await curlRun(`${bucket}/missing`)).body, '<Code>NoSuchKey</Code>');
      const stranger = await run(program, [
        ...base.slice(0, 4),
        `${accessKey}:wrong`,
        ...unsigned,
        `${endpoint}/${bucket}`,
      ]);
      t.match(stranger.stdout, '<Code>SignatureDoesNotMatch</Code>');

      for (const key of ['dir/small.txt', 'large.bin', 'in-parts.bin', 'copy.txt']) {
        t.equal((await curlRun(`${bucket}/${key}`, '-X', 'DELETE')).status, 204);
      }
      t.equal((await curlRun(bucket, '-X', 'DELETE')).status, 204);
    },
  };
}
