import type { StandInRow } from '../strictness.ts';
import { AWS, MD5_ONLY, NO_CHECKSUM, NO_CHUNKS, refuse } from './base.ts';

/** Qiniu Kodo. */
export const kodo: StandInRow = {
  ...AWS,
  host: 's3.cn-east-1',
  region: 'cn-east-1',
  regions: ['cn-east-1'],
  v2: 'accepted',
  signedChunks: NO_CHUNKS,
  trailers: NO_CHUNKS,
  checksums: NO_CHECKSUM,
  deleteDigest: MD5_ONLY,
  conditions: 'ignored',
  encodingType: refuse(400, 'InvalidArgument', 'encoding-type is not supported.'),
  storageClasses: ['STANDARD', 'LINE', 'INTELLIGENT_TIERING', 'GLACIER', 'DEEP_ARCHIVE'],
  locations: ['cn-east-1'],
  ownBucket: refuse(409, 'BucketAlreadyExists', 'The requested bucket name is not available.'),
  multipartETag: 'random',
  answerHeaders: { 'x-reqid': '{requestId}', 'x-log': 'X-Log', server: 'openresty' },
  errorElements: { Resource: '{resource}', RequestId: '{requestId}' },
  because: {
    regions: '?: other ids are not valid in the scope; refused here',
    signedChunks: '?: no source; refused here',
    trailers: '?: no source; refused here',
    chunkedTransfer: '?: no source; refused here',
    checksums: '?: no source; refused here',
    deleteDigest: '?: vendor asks to send it; demanded here',
    conditions: '?: no source; ignored here, as that is what loses data',
    encodingType: 'C: not a parameter of either listing; refused here rather than ignored',
    storageClasses: 'C: compatible API list',
    ownBucket: 'T: rclone does not trust it',
    multipartETag: 'T: rclone does not trust it',
    minPart: '?: the usual 5 MiB',
    v2: 'C: header and query',
  },
};
