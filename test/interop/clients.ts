import { awscliGenerations } from './clients/awscli.ts';
import { barman } from './clients/barman.ts';
import { boto3Clients } from './clients/boto3.ts';
import { curl } from './clients/curl.ts';
import { dockerRegistry } from './clients/docker-registry.ts';
import { goSdk } from './clients/go.ts';
import { libs3 } from './clients/libs3.ts';
import { minioJs } from './clients/minio-js.ts';
import { opendal } from './clients/opendal.ts';
import { pgbackrest } from './clients/pgbackrest.ts';
import { rclone } from './clients/rclone.ts';
import { restic } from './clients/restic.ts';
import { s3cmd, s3cmdV2 } from './clients/s3cmd.ts';
import { s3fs } from './clients/s3fs.ts';
import { sccache } from './clients/sccache.ts';
import { sdkV2Clients } from './clients/sdk-v2.ts';
import { sdkV3 } from './clients/sdk-v3.ts';
import type { ClientScenario } from './scenario.ts';

/** Every client that is tried on every kind of storage. */
export const CLIENTS: readonly ClientScenario[] = [
  ...awscliGenerations,
  ...[s3cmd, s3cmdV2, rclone, curl, libs3],
  ...[sdkV3, ...sdkV2Clients, minioJs, opendal, goSdk, ...boto3Clients],
  ...[restic, dockerRegistry, pgbackrest, barman, s3fs, sccache],
];
