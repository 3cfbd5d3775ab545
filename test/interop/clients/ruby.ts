import { readFileSync } from 'node:fs';
import { inDebian13, ofDebian13, packageOfDebian13 } from '../debian-13.ts';
import { run } from '../process.ts';
import { type ClientScenario, LARGE } from '../scenario.ts';

const ROUND = readFileSync(new URL('ruby-round.rb', import.meta.url), 'utf8');

/** The AWS SDK for Ruby, version 3. */
export const rubySdk: ClientScenario = ofDebian13(
  {
    name: 'AWS SDK for Ruby v3',
    program: undefined,
    version: () => packageOfDebian13('ruby-aws-sdk-s3'),
    async run(t, { endpoint, accessKey, secretKey, folder, bucket, large = LARGE }) {
      const env = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey, HOME: folder };
      const ran = await run(inDebian13('ruby'), ['-', endpoint, bucket, folder, String(large)], { env, input: ROUND });
      t.equal(ran.status, 0, ran.stderr);
    },
  },
  'ruby',
);
