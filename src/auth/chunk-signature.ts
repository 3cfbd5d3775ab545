import { createHash, type Hash, type KeyObject } from 'node:crypto';
import { S3Error } from '../s3/error.ts';
import { isSignature, sign } from './sigv4.ts';

/** What the chunks of a body are signed with: all from the accepted signature of the request. */
export interface ChunkSeed {
  readonly key: KeyObject;
  readonly timestamp: string;
  /** day/region/s3/aws4_request */
  readonly scope: string;
  readonly signature: string;
}

/** The chain of signatures through one body; each covers the one before. */
export interface ChunkSigner {
  update(bytes: Uint8Array): void;
  /**
   * Checks the chunk that `update` has seen since the last check.
   * @param sha256 its hash, if known beforehand
   * @throws S3Error SignatureDoesNotMatch
   */
  checkChunk(sha256: string | undefined, signature: string): void;
  /** @param trailer `name:value` and a line feed for each trailer @throws S3Error SignatureDoesNotMatch */
  checkTrailer(trailer: string, signature: string): void;
}

export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html (defining the chunk body) */
export function createChunkSigner(seed: ChunkSeed): ChunkSigner {
  let previous = seed.signature;
  let hash: Hash | undefined;
  const check = (kind: 'PAYLOAD' | 'TRAILER', lines: string, signature: string): void => {
    const text = `AWS4-HMAC-SHA256-${kind}\n${seed.timestamp}\n${seed.scope}\n${previous}\n${lines}`;
    const expected = sign(seed.key, text);
    if (!isSignature(expected, signature)) throw new S3Error('SignatureDoesNotMatch');
    previous = expected;
  };
  return {
    update(bytes) {
      hash ??= createHash('sha256');
      hash.update(bytes);
    },
    checkChunk(sha256, signature) {
      const digest = sha256 ?? hash?.digest('hex') ?? EMPTY_SHA256;
      hash = undefined;
      check('PAYLOAD', `${EMPTY_SHA256}\n${digest}`, signature);
    },
    checkTrailer(trailer, signature) {
      check('TRAILER', createHash('sha256').update(trailer, 'latin1').digest('hex'), signature);
    },
  };
}
