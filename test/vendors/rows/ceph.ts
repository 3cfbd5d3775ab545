import type { StandInRow } from '../strictness.ts';
import { AWS, NEEDS_MD5, refuse } from './base.ts';

/** Ceph RGW as releases differ; a real one is tested too. */
export const ceph: StandInRow = {
  ...AWS,
  host: 'ceph',
  region: 'us-east-1',
  regions: 'any',
  virtual: 'unknown',
  v2: 'accepted',
  trailers: refuse(400, 'XAmzContentSHA256Mismatch', 'The content hash does not match.'),
  checksums: 'ignored',
  deleteDigest: { accepts: ['content-md5', 'checksum'], refusal: NEEDS_MD5 },
  encodingType: 'not prefixes',
  locations: ['', 'default'],
  ownBucket: refuse(409, 'BucketAlreadyExists', 'The requested bucket name is not available.'),
  silentEmptyHead: true,
  answerHeaders: { 'x-amz-request-id': '{requestId}', 'x-rgw-object-type': 'Normal' },
  errorElements: { BucketName: '{bucket}', RequestId: '{requestId}', HostId: 'zone-zonegroup' },
  because: {
    regions: 'C: any',
    v2: 'C: accepted',
    deleteDigest: '?: one of both demanded here',
    virtual: 'T: not without rgw_dns_name; the real Ceph is tested so',
    trailers: '?: depends on the release; refused here',
    checksums: '?: depends on the release; ignored here',
    encodingType: 'T: an old bug',
    locations: 'T: the zonegroup',
    ownBucket: 'T: never BucketAlreadyOwnedByYou',
    silentEmptyHead: 'T: older releases',
  },
};
