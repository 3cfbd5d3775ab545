import { awscliGenerations, newerAwscli } from './clients/awscli.ts';
import { barman, newerBarman } from './clients/barman.ts';
import { boto3Clients } from './clients/boto3.ts';
import { curl, newerCurl } from './clients/curl.ts';
import { dockerRegistry } from './clients/docker-registry.ts';
import { duplicity } from './clients/duplicity.ts';
import { goSdk, newerGoClients } from './clients/go.ts';
import { libs3 } from './clients/libs3.ts';
import { mc } from './clients/mc.ts';
import { minioJs } from './clients/minio-js.ts';
import { opendal } from './clients/opendal.ts';
import { perlClients } from './clients/perl.ts';
import { newerPgbackrest, pgbackrest } from './clients/pgbackrest.ts';
import { newerRclone, rclone } from './clients/rclone.ts';
import { newerRestic, restic } from './clients/restic.ts';
import { rubySdk } from './clients/ruby.ts';
import { newerS3cmd, s3cmd, s3cmdV2 } from './clients/s3cmd.ts';
import { newerS3fs, s3fs } from './clients/s3fs.ts';
import { newerSccache, sccache } from './clients/sccache.ts';
import { sdkV2Clients } from './clients/sdk-v2.ts';
import { sdkV3 } from './clients/sdk-v3.ts';
import type { ClientScenario } from './scenario.ts';

/** Every client that is tried on every kind of storage. */
export const CLIENTS: readonly ClientScenario[] = [
  ...[...awscliGenerations, newerAwscli],
  ...[s3cmd, newerS3cmd, s3cmdV2, rclone, newerRclone, mc, curl, newerCurl, libs3],
  ...[sdkV3, ...sdkV2Clients, minioJs, opendal, goSdk, ...newerGoClients, rubySdk, ...perlClients, ...boto3Clients],
  ...[restic, newerRestic, duplicity, dockerRegistry, pgbackrest, newerPgbackrest, barman, newerBarman],
  ...[s3fs, newerS3fs, sccache, newerSccache],
];
