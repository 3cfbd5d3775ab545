import { readFileSync } from 'node:fs';
import { inDebian13, ofDebian13 } from '../debian-13.ts';
import { installedAt, run } from '../process.ts';
import { type ClientScenario, LARGE } from '../scenario.ts';

const ROUND = readFileSync(new URL('boto3-round.py', import.meta.url), 'utf8');

/** boto3's own: whichever Python comes first on the PATH may lack it, Debian's has the package. */
const DEBIAN = '/usr/bin/python3';

/** boto3 with both signatures and both ways to address a bucket, URLs and forms signed by it included. */
export const boto3Clients: readonly ClientScenario[] = [
  ...(['s3v4', 's3'] as const).flatMap((signature) =>
    (['path', 'virtual'] as const).map((addressing) =>
      boto3(`boto3 ${signature}, ${addressing} style`, DEBIAN, signature, addressing),
    ),
  ),
  // Newer than Debian 12's: checksums on every request, and deletions without Content-MD5.
  boto3('boto3 s3v4, from pip', installedAt('python3')[0] ?? DEBIAN, 's3v4', 'path'),
  ...(['path', 'virtual'] as const).map((addressing) =>
    ofDebian13(boto3(`boto3 s3v4, ${addressing} style`, inDebian13('python3'), 's3v4', addressing), 'python3'),
  ),
];

function boto3(name: string, python: string, signature: string, addressing: string): ClientScenario {
  return {
    name,
    program: python,
    lacks: async () => {
      if (python === DEBIAN && name.endsWith('from pip')) return "there is no Python but Debian's";
      return (await run(python, ['-c', 'import boto3'])).status === 0 ? false : `${python} has no boto3`;
    },
    version: async () => (await run(python, ['-c', 'import boto3; print(boto3.__version__)'])).stdout.trim(),
    async run(t, { endpoint, accessKey, secretKey, folder, bucket, large = LARGE }) {
      const env = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey, HOME: folder };
      const here = endpoint.replace('127.0.0.1', 'localhost');
      const ran = await run(python, ['-', signature, addressing, here, bucket, folder, String(large)], {
        env,
        input: ROUND,
      });
      t.equal(ran.status, 0, ran.stderr);
    },
  };
}
