import { createHash } from 'node:crypto';
import { type BodyChecksum, createChecksum, isChecksumValue } from '../s3/checksum.ts';
import { S3Error } from '../s3/error.ts';
import type { PayloadPlan } from './payload-plan.ts';

/** The hashes of one body under way. */
export interface Digests {
  /** Whether any hash is compared at the end, so that the last bytes must wait for it. */
  readonly isChecked: boolean;
  update(chunk: Uint8Array): void;
  /**
   * Compares them all, once, after the last byte.
   * @param trailerValue the checksum from the trailer
   * @returns the checksum that the client chose
   * @throws S3Error XAmzContentSHA256Mismatch, BadDigest, InvalidRequest
   */
  verify(trailerValue: string | undefined): BodyChecksum | undefined;
}

/** Starts the hashes that a plan asks for. */
export function createDigests(plan: Pick<PayloadPlan, 'mode' | 'md5' | 'checksum' | 'trailer'>): Digests {
  const { mode, md5 } = plan;
  const sha256Hash = mode.kind === 'hash' ? createHash('sha256') : undefined;
  const md5Hash = md5 === undefined ? undefined : createHash('md5');
  const algorithm = plan.checksum?.algorithm ?? plan.trailer;
  const checksum = algorithm === undefined ? undefined : createChecksum(algorithm);
  return {
    isChecked: sha256Hash !== undefined || md5Hash !== undefined || checksum !== undefined,
    update(chunk) {
      sha256Hash?.update(chunk);
      md5Hash?.update(chunk);
      checksum?.update(chunk);
    },
    verify(trailerValue) {
      const sha256 = sha256Hash?.digest('hex');
      if (mode.kind === 'hash' && sha256 !== mode.sha256) {
        throw new S3Error('XAmzContentSHA256Mismatch', {
          detail: { ClientComputedContentSHA256: mode.sha256, S3ComputedContentSHA256: sha256 ?? '' },
        });
      }
      const computedMd5 = md5Hash?.digest('base64');
      if (computedMd5 !== md5) {
        throw new S3Error('BadDigest', {
          message: 'The Content-MD5 you specified did not match what we received.',
          detail: { ExpectedDigest: md5 ?? '', CalculatedDigest: computedMd5 ?? '' },
        });
      }
      if (checksum === undefined || algorithm === undefined) return undefined;
      const expected = plan.checksum?.value ?? trailerValue ?? '';
      if (!isChecksumValue(algorithm, expected)) {
        throw new S3Error('InvalidRequest', {
          message: `Value for x-amz-checksum-${algorithm.toLowerCase()} trailing header is invalid.`,
        });
      }
      if (checksum.digest() !== expected) {
        throw new S3Error('BadDigest', {
          message: `The ${algorithm} you specified did not match the calculated checksum.`,
        });
      }
      return { algorithm, value: expected };
    },
  };
}
