import { awscli } from './clients/awscli.ts';
import { boto3Clients } from './clients/boto3.ts';
import { curl } from './clients/curl.ts';
import { minioJs } from './clients/minio-js.ts';
import { rclone } from './clients/rclone.ts';
import { s3cmd, s3cmdV2 } from './clients/s3cmd.ts';
import { sdkV2Clients } from './clients/sdk-v2.ts';
import { sdkV3 } from './clients/sdk-v3.ts';
import type { ClientScenario } from './scenario.ts';

/** Every client that is tried on every kind of storage. */
export const CLIENTS: readonly ClientScenario[] = [
  ...[awscli, s3cmd, s3cmdV2, rclone, curl, sdkV3, minioJs],
  ...boto3Clients,
  ...sdkV2Clients,
];
