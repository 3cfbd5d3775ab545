import { fileURLToPath } from 'node:url';
import { run } from '../process.ts';
import type { ClientScenario } from '../scenario.ts';

const SCRIPT = fileURLToPath(new URL('boto3-round.py', import.meta.url));

/** boto3's own: whichever Python comes first on the PATH may lack it, Debian's has the package. */
const PYTHON = '/usr/bin/python3';

/** boto3 with both signatures and both ways to address a bucket, URLs and forms signed by it included. */
export const boto3Clients: readonly ClientScenario[] = (['s3v4', 's3'] as const).flatMap((signature) =>
  (['path', 'virtual'] as const).map(
    (addressing): ClientScenario => ({
      name: `boto3 ${signature}, ${addressing} style`,
      program: PYTHON,
      proof: [PYTHON, '-c', 'import boto3'],
      version: async () => (await run(PYTHON, ['-c', 'import boto3; print(boto3.__version__)'])).stdout.trim(),
      async run(t, { endpoint, accessKey, secretKey, folder, bucket }) {
        const env = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey, HOME: folder };
        const here = endpoint.replace('127.0.0.1', 'localhost');
        const ran = await run(PYTHON, [SCRIPT, signature, addressing, here, bucket, folder], { env });
        t.equal(ran.status, 0, ran.stderr);
      },
    }),
  ),
);
