import { type BodyChecksum, isChecksumAlgorithm, isChecksumValue } from '../../s3/checksum.ts';
import type { Headers } from '../../s3/headers.ts';

/** Metadata that is ours: what a service cannot keep otherwise. Clients neither see nor set it. */
export const KEPT_PREFIX = 'x-amz-meta-sluice-';
/** `ALGORITHM=value`, over the whole object. */
export const KEPT_CHECKSUM = `${KEPT_PREFIX}checksum`;
/** The object's MD5 in lower-case hex. */
export const KEPT_MD5 = `${KEPT_PREFIX}md5`;

export function formatChecksum({ algorithm, value }: BodyChecksum): string {
  return `${algorithm}=${value}`;
}

/** The checksum kept with an object; undefined when there is none, or somebody else wrote it. */
export function keptChecksum(headers: Headers): BodyChecksum | undefined {
  const [, algorithm = '', value = ''] = /^([A-Z0-9]+)=(.+)$/.exec(headers.get(KEPT_CHECKSUM) ?? '') ?? [];
  return isChecksumAlgorithm(algorithm) && isChecksumValue(algorithm, value) ? { algorithm, value } : undefined;
}

export function keptMd5(headers: Headers): string | undefined {
  const md5 = headers.get(KEPT_MD5);
  return md5 !== undefined && /^[0-9a-f]{32}$/.test(md5) ? md5 : undefined;
}
