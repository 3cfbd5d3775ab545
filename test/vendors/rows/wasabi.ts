import type { StandInRow } from '../strictness.ts';
import { AWS, MD5_ONLY, NO_CHECKSUM, NO_CHUNKS, refuse } from './base.ts';

/** Wasabi. */
export const wasabi: StandInRow = {
  ...AWS,
  host: 's3.eu-central-1.wasabisys',
  region: 'eu-central-1',
  regions: ['eu-central-1'],
  signedChunks: NO_CHUNKS,
  trailers: NO_CHUNKS,
  checksums: NO_CHECKSUM,
  deleteDigest: MD5_ONLY,
  conditions: 'ignored',
  maxKeys: refuse(400, 'InvalidArgument', 'max-keys must not exceed 1000.'),
  locations: ['', 'eu-central-1'],
  answerHeaders: { 'x-amz-request-id': '{requestId}', 'x-amz-id-2': 'aWQgMg==', server: 'WasabiS3' },
  errorElements: { RequestId: '{requestId}', HostId: 'aWQgMg==' },
  because: {
    regions: '?: from the host; validated here',
    v2: '?: refused here',
    signedChunks: '?: refused here',
    trailers: '?: refused here',
    checksums: '?: refused here',
    deleteDigest: '?: demanded here',
    conditions: '?: ignored here, as that is what loses data',
    maxKeys: 'T: rclone',
  },
};
