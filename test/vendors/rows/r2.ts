import type { StandInRow } from '../strictness.ts';
import { AWS, GiB, NEEDS_MD5, NO_CHUNKS, refuse } from './base.ts';

const R2_CHECKSUM = refuse(501, 'NotImplemented', "Header '{header}' with value '{value}' not implemented");
/** Cloudflare R2. */
export const r2: StandInRow = {
  ...AWS,
  host: 'account.r2',
  region: 'auto',
  regions: ['auto', 'us-east-1', ''],
  signedChunks: NO_CHUNKS,
  trailers: refuse(501, 'NotImplemented', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER not implemented'),
  checksums: R2_CHECKSUM,
  headers: {
    pattern:
      /^x-amz-(acl|grant-.*|tagging|expected-bucket-owner|server-side-encryption-aws-kms-key-id|object-lock-.*)$/,
    refusal: R2_CHECKSUM,
  },
  subresources: {
    names: ['acl', 'tagging', 'versioning', 'versions', 'policy', 'object-lock'],
    refusal: refuse(501, 'NotImplemented', '{resource} not implemented'),
  },
  deleteDigest: { accepts: ['content-md5', 'checksum'], refusal: NEEDS_MD5 },
  deleteKeys: {
    most: 700,
    refusal: refuse(500, 'InternalError', 'We encountered an internal error. Please try again.'),
  },
  equalParts: true,
  maxMetadata: 8192,
  answersContinue: false,
  maxPut: Math.floor(4.995 * GiB),
  maxCopy: Math.floor(4.995 * GiB),
  storageClasses: ['STANDARD', 'STANDARD_IA'],
  locations: ['auto'],
  multipartETag: 'random',
  answerHeaders: { 'cf-ray': '{requestId}', server: 'cloudflare' },
  errorElements: {},
  because: {
    regions: 'C: auto, with aliases',
    maxPut: 'C: 4.995 GiB',
    maxCopy: 'C: as a single PUT',
    v2: '?: refused here',
    signedChunks: '?: refused here',
    trailers: 'R: refused in January 2025',
    checksums: 'R: refused in January 2025, some are taken now; refused here',
    headers: 'C: list of unsupported headers',
    subresources: 'C: list of unsupported operations',
    deleteDigest: '?: one of both demanded here',
    deleteKeys: 'T: opendal, 700',
    equalParts: 'T: opendal',
    maxMetadata: 'C: 8192 bytes',
    answersContinue: 'C: no 100-continue',
    locations: 'C: auto, demanded',
    multipartETag: 'C: random',
  },
};
