import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm, checksumHeader, isChecksumAlgorithm } from '../../s3/checksum.ts';
import { S3Error } from '../../s3/error.ts';
import type { Headers } from '../../s3/headers.ts';
import { childText, type XmlElement } from '../../s3/xml.ts';
import type { Checksum, ExpectedChecksum } from '../object-store.ts';

type ChecksumMode = Pick<Checksum, 'algorithm' | 'type'>;

/** Which types an algorithm can have in a multipart upload, its default first. */
const TYPES: Readonly<Record<ChecksumAlgorithm, readonly Checksum['type'][]>> = {
  CRC32: ['COMPOSITE', 'FULL_OBJECT'],
  CRC32C: ['COMPOSITE', 'FULL_OBJECT'],
  CRC64NVME: ['FULL_OBJECT'],
  SHA1: ['COMPOSITE'],
  SHA256: ['COMPOSITE'],
};

/** The algorithm that a header such as `x-amz-checksum-algorithm` names. @throws S3Error InvalidRequest */
export function parseAlgorithm(headers: Headers, name: string): ChecksumAlgorithm | undefined {
  const algorithm = headers.get(name)?.toUpperCase();
  if (algorithm === undefined || isChecksumAlgorithm(algorithm)) return algorithm;
  throw new S3Error('InvalidRequest', { message: 'Checksum algorithm provided is unsupported.' });
}

/**
 * How a multipart upload's checksum is to be made.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
 * @throws S3Error InvalidRequest when the type is not one that the algorithm has
 */
export function parseChecksumMode(headers: Headers): ChecksumMode | undefined {
  const algorithm = parseAlgorithm(headers, 'x-amz-checksum-algorithm');
  const wanted = headers.get('x-amz-checksum-type')?.toUpperCase();
  if (algorithm === undefined) {
    if (wanted === undefined) return undefined;
    const message = 'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.';
    throw new S3Error('InvalidRequest', { message });
  }
  const type = wanted === undefined ? TYPES[algorithm][0] : TYPES[algorithm].find((known) => known === wanted);
  if (type !== undefined) return { algorithm, type };
  const message = `The ${wanted} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`;
  throw new S3Error('InvalidRequest', { message });
}

/** The whole object's checksum that a CompleteMultipartUpload states. */
export function parseExpectedChecksum(headers: Headers): ExpectedChecksum | undefined {
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = headers.get(checksumHeader(algorithm));
    if (value === undefined) continue;
    const stated = headers.get('x-amz-checksum-type')?.toUpperCase();
    return { algorithm, type: TYPES[algorithm].find((known) => known === stated), value };
  }
  return undefined;
}

/** The checksum of a part within a CompleteMultipartUpload document. */
export function parsePartChecksum(part: XmlElement): Checksum | undefined {
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = childText(part, `Checksum${algorithm}`);
    if (value !== undefined) return { algorithm, type: 'FULL_OBJECT', value };
  }
  return undefined;
}
