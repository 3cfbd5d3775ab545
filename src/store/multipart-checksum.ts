import { combineCrc, createChecksum } from '../s3/checksum.ts';
import { S3Error } from '../s3/error.ts';
import type { Checksum, ExpectedChecksum } from './object-store.ts';

/** What is known of a part: its base64 checksum in the upload's algorithm, and its size in bytes. */
export interface PartSum {
  readonly value: string | undefined;
  readonly size: number;
}

/**
 * The checksum of an object from those of its parts, without reading a byte: of their checksums one after the
 * other (COMPOSITE), or combined (FULL_OBJECT, which only CRCs can).
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
 * @param mode what the upload was begun with; undefined for no checksum
 * @param expected what the client believes it to be
 * @throws S3Error BadDigest when it is another; InvalidRequest when the upload has no such checksum
 */
export function assemblePartChecksum(
  mode: Pick<Checksum, 'algorithm' | 'type'> | undefined,
  parts: readonly PartSum[],
  expected: ExpectedChecksum | undefined,
): Checksum | undefined {
  if (mode === undefined) {
    if (expected === undefined) return undefined;
    throw new S3Error('InvalidRequest', { message: 'The upload was not created with a checksum algorithm.' });
  }
  const type = expected?.type ?? mode.type;
  if (expected !== undefined && (expected.algorithm !== mode.algorithm || type !== mode.type)) {
    const message = `The upload was created for ${mode.type} ${mode.algorithm}, not ${type} ${expected.algorithm}.`;
    throw new S3Error('InvalidRequest', { message });
  }
  const checksum: Checksum = { ...mode, value: mode.type === 'COMPOSITE' ? composite(mode, parts) : full(mode, parts) };
  if (expected !== undefined && withoutCount(expected.value) !== withoutCount(checksum.value)) {
    throw new S3Error('BadDigest');
  }
  return checksum;
}

function composite({ algorithm }: Pick<Checksum, 'algorithm'>, parts: readonly PartSum[]): string {
  const checksum = createChecksum(algorithm);
  for (const part of parts) checksum.update(Buffer.from(valueOf(part), 'base64'));
  return `${checksum.digest()}-${parts.length}`;
}

function full({ algorithm }: Pick<Checksum, 'algorithm'>, parts: readonly PartSum[]): string {
  if (algorithm === 'SHA1' || algorithm === 'SHA256') throw new S3Error('InvalidRequest');
  let value = createChecksum(algorithm).digest();
  for (const part of parts) value = combineCrc(algorithm, value, valueOf(part), part.size);
  return value;
}

function valueOf(part: PartSum): string {
  if (part.value === undefined) throw new Error('a part of an upload with checksums has none');
  return part.value;
}

function withoutCount(value: string): string {
  return value.replace(/-\d+$/, '');
}

/**
 * What is kept of a part's checksum: the one computed in the upload's algorithm, else the client's own.
 * @param computed base64, in the algorithm of `mode`
 * @throws S3Error InvalidRequest when the client sends a checksum that the upload was not begun with
 */
export function partChecksum(
  mode: Pick<Checksum, 'algorithm' | 'type'> | undefined,
  sent: Pick<Checksum, 'algorithm' | 'value'> | undefined,
  computed: string | undefined,
): Checksum | undefined {
  if (mode === undefined || computed === undefined) return sent && { ...sent, type: 'FULL_OBJECT' };
  if (sent !== undefined && sent.algorithm !== mode.algorithm) {
    const names = `expected checksum Type: ${mode.algorithm.toLowerCase()}, actual checksum Type: ${sent.algorithm.toLowerCase()}`;
    throw new S3Error('InvalidRequest', { message: `Checksum Type mismatch occurred, ${names}` });
  }
  return { algorithm: mode.algorithm, type: 'FULL_OBJECT', value: computed };
}
