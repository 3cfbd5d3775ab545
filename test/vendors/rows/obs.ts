import type { StandInRow } from '../strictness.ts';
import { AWS, KiB, MD5_ONLY, NO_CHECKSUM, refuse } from './base.ts';

/** Huawei OBS with a PFS bucket. */
export const obs: StandInRow = {
  ...AWS,
  host: 'obs.cn-north-4',
  region: 'cn-north-4',
  regions: 'any',
  v2: 'accepted',
  payloadHash: refuse(
    400,
    'XAmzContentSHA256Mismatch',
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
  ),
  trailers: refuse(
    400,
    'XAmzContentSHA256Mismatch',
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
  ),
  checksums: NO_CHECKSUM,
  headers: {
    pattern: /^x-obs-/,
    refusal: refuse(
      403,
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided.',
    ),
  },
  deleteDigest: MD5_ONLY,
  conditions: 'ignored',
  listV2: refuse(400, 'InvalidArgument', 'list-type is not supported by this bucket.'),
  encodingType: 'loops',
  minPart: 100 * KiB,
  storageClasses: ['STANDARD', 'STANDARD_IA', 'GLACIER'],
  locations: ['cn-north-4'],
  answerHeaders: { 'x-obs-request-id': '{requestId}', 'x-obs-id-2': 'aWQgMg==', server: 'OBS' },
  errorElements: { RequestId: '{requestId}', HostId: '{bucket}.{host}' },
  because: {
    regions: "I: the vendor's SDK signs with a literal default",
    v2: "C: the vendor's SDK signs so by default",
    payloadHash: '?: the documents name two other modes only; refused here',
    trailers: 'R: terraform, milvus, bosh-s3cli',
    signedChunks: 'C: one of the two documented modes',
    chunkedTransfer: '?: no source; refused here',
    checksums: '?: refused here',
    headers: 'C: header families are not mixed',
    deleteDigest: 'T: milvus',
    conditions: '?: none found; ignored here, as that is what loses data',
    listV2: 'T: PFS buckets lack it; the code is not confirmed',
    encodingType: 'T: rclone, the marker is not honoured on PFS',
    minPart: 'C: 100 KiB',
    storageClasses: 'C: over AWS signatures',
    locations: 'I: its own region id, demanded here',
    maxPut: '?: the usual 5 GiB',
    maxCopy: '?: the usual 5 GiB',
  },
};
