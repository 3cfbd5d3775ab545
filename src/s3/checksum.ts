/** S3's checksum algorithms, in the spelling of its XML and of `x-amz-checksum-algorithm`. */
export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256';

/** The checksum of one body: base64. */
export interface BodyChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}
