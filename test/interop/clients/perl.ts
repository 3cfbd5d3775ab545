import { readFileSync } from 'node:fs';
import { inDebian13, ofDebian13, packageOfDebian13 } from '../debian-13.ts';
import { run } from '../process.ts';
import { type ClientScenario, LARGE } from '../scenario.ts';

const ROUND = readFileSync(new URL('perl-round.pl', import.meta.url), 'utf8');

/** Perl's Net::Amazon::S3, whose habits are older than SigV4, with both signatures. */
export const perlClients: readonly ClientScenario[] = ['V4', 'V2'].map((signature) =>
  ofDebian13(
    {
      name: `Net::Amazon::S3 ${signature.toLowerCase()}`,
      program: undefined,
      version: () => packageOfDebian13('libnet-amazon-s3-perl'),
      async run(t, { endpoint, accessKey, secretKey, folder, bucket, large = LARGE }) {
        const env = { ACCESS_KEY: accessKey, SECRET_KEY: secretKey, HOME: folder };
        const host = endpoint.replace('http://', '');
        // Random numbers of four bytes each.
        const args = ['-', signature, host, bucket, folder, String(large - (large % 4))];
        const ran = await run(inDebian13('perl'), args, { env, input: ROUND });
        t.equal(ran.status, 0, ran.stderr);
      },
    },
    'perl',
  ),
);
