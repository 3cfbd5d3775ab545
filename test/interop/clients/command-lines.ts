import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Ran, run } from '../process.ts';

/** What a command line needs to call a gateway. */
export interface Account {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** A folder for the client's own files. */
  readonly home: string;
}

/** One client with one account. */
export type CommandLine = (...args: readonly string[]) => Promise<Ran>;

export function awsFor({ endpoint, accessKey, secretKey, home }: Account): CommandLine {
  const env = {
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretKey,
    // Where botocore knows SigV2 to exist, as in us-east-1, it presigns with it; `sluice env` names this one for that.
    AWS_DEFAULT_REGION: 'eu-central-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_MAX_ATTEMPTS: '1',
    HOME: home,
  };
  return (...args) => run('aws', ['--endpoint-url', endpoint, ...args], { env });
}

/** @param signature `v2` is the legacy one */
export function s3cmdFor({ endpoint, accessKey, secretKey, home }: Account, signature: 'v4' | 'v2'): CommandLine {
  const host = endpoint.replace('http://', '');
  const base = [
    ...['-c', '/dev/null', '--access_key', accessKey, '--secret_key', secretKey, '--no-ssl', '--no-progress'],
    ...['--host', host, '--host-bucket', host, '--region', 'us-east-1'],
    ...(signature === 'v2' ? ['--signature-v2'] : []),
  ];
  return (...args) => run('s3cmd', [...base, ...args], { env: { HOME: home } });
}

/** Buckets are addressed as `gw:BUCKET`. */
export function rcloneFor({ endpoint, accessKey, secretKey, home }: Account): CommandLine {
  mkdirSync(home, { recursive: true });
  const env = {
    HOME: home,
    RCLONE_CONFIG: join(home, 'rclone.conf'),
    RCLONE_CONFIG_GW_TYPE: 's3',
    RCLONE_CONFIG_GW_PROVIDER: 'Other',
    RCLONE_CONFIG_GW_ENDPOINT: endpoint,
    RCLONE_CONFIG_GW_ACCESS_KEY_ID: accessKey,
    RCLONE_CONFIG_GW_SECRET_ACCESS_KEY: secretKey,
    RCLONE_RETRIES: '1',
    RCLONE_LOW_LEVEL_RETRIES: '1',
  };
  return (...args) => run('rclone', args, { env });
}
