import type { StandInRow } from '../strictness.ts';
import { AWS, GiB, refuse } from './base.ts';

/** MinIO, an old one. */
export const minio: StandInRow = {
  ...AWS,
  host: 'minio',
  region: 'us-east-1',
  regions: ['us-east-1'],
  virtual: 'unknown',
  v2: 'accepted',
  deleteDigest: {
    accepts: ['content-md5'],
    refusal: refuse(400, 'MissingContentMD5', 'Missing required header for this request: Content-Md5.'),
  },
  uploadsByWholeKey: true,
  maxPut: 5 * 1024 * GiB,
  locations: ['', 'us-east-1'],
  answerHeaders: { 'x-amz-request-id': '{requestId}', 'x-amz-id-2': 'aWQgMg==', server: 'MinIO' },
  errorElements: { BucketName: '{bucket}', Resource: '{resource}', RequestId: '{requestId}', HostId: 'aWQgMg==' },
  because: {
    maxPut: 'C: 5 TiB',
    virtual: 'C: not without a domain set',
    regions: "C: the server's own",
    v2: 'C: accepted',
    deleteDigest: 'R: old servers take Content-MD5 only',
    uploadsByWholeKey: 'C: needs the whole key as prefix',
  },
};
