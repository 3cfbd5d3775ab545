import { isChecksumAlgorithm } from '../../s3/checksum.ts';
import type { Checksum, Tags } from '../object-store.ts';

/** Name of the one metadata header that holds what Azure has no place for: `x-ms-meta-sluice`. */
export const RECORD_NAME = 'sluice';

/** Parts of one size that follow each other: first number, how many, bytes in each. */
export type PartRun = readonly [first: number, count: number, size: number];

/** What we keep with a blob beside Azure's own properties. Absent fields have nothing to say. */
export interface BlobRecord {
  /** ETag of an object made of parts, and what it is true of. */
  readonly multipart?: {
    readonly etag: string;
    readonly size: number;
    /** Undefined where there is no room for them: the object's blocks tell. */
    readonly parts: readonly PartRun[] | undefined;
    /** The upload that made it, so that completing twice is no error. */
    readonly uploadId: string;
    /** Checksums of parts that no block tells, one behind the other in base64. */
    readonly checksums?: string | undefined;
  };
  /** Of the object that had this ETag. */
  readonly checksum?: Checksum & { readonly etag: string };
  /** User metadata that Azure's names or values cannot express. */
  readonly userMetadata?: readonly (readonly [name: string, value: string])[];
  /** System headers for which there is no property, or whose value it would not take. */
  readonly systemHeaders?: readonly (readonly [name: string, value: string])[];
  readonly storageClass?: string;
  /** All tags, where Azure's own would not take one of them. */
  readonly tags?: Tags;
  /** Random: tells our own first success from somebody else's when a conditional write is sent twice. */
  readonly nonce?: string;
  /** What an upload in parts is for, on its staging blob. */
  readonly upload?: {
    readonly key: string;
    /** Milliseconds. */
    readonly initiated: number;
    readonly checksum?: Pick<Checksum, 'algorithm' | 'type'>;
  };
}

const VERSION = 1;

/** The record as a header value. */
export function packRecord(record: BlobRecord): string {
  const { multipart, checksum, upload } = record;
  const packed = {
    v: VERSION,
    e: multipart && [multipart.etag, multipart.size, multipart.parts, multipart.uploadId, multipart.checksums],
    c: checksum && [checksum.algorithm, checksum.type, checksum.value, checksum.etag],
    m: record.userMetadata,
    h: record.systemHeaders,
    s: record.storageClass,
    t: record.tags,
    n: record.nonce,
    u: upload && [upload.key, upload.initiated, upload.checksum?.algorithm, upload.checksum?.type],
  };
  return Buffer.from(JSON.stringify(packed)).toString('base64url');
}

/** Reads a record; one that is not ours, or that somebody damaged, says nothing. */
export function unpackRecord(text: string | undefined): BlobRecord {
  const packed = text === undefined ? undefined : parseObject(Buffer.from(text, 'base64url').toString());
  if (packed === undefined || packed.v !== VERSION) return {};
  const multipart = multipartOf(packed.e);
  const checksum = checksumOf(packed.c);
  const upload = uploadOf(packed.u);
  const [userMetadata, systemHeaders, tags] = [pairsOf(packed.m), pairsOf(packed.h), pairsOf(packed.t)];
  return {
    ...(multipart && { multipart }),
    ...(checksum && { checksum }),
    ...(userMetadata && { userMetadata }),
    ...(systemHeaders && { systemHeaders }),
    ...(typeof packed.s === 'string' && { storageClass: packed.s }),
    ...(tags && { tags }),
    ...(typeof packed.n === 'string' && { nonce: packed.n }),
    ...(upload && { upload }),
  };
}

function multipartOf(value: unknown): BlobRecord['multipart'] {
  if (!Array.isArray(value)) return undefined;
  const [etag, size, runs, uploadId, checksums] = value as readonly unknown[];
  if (typeof etag !== 'string' || typeof size !== 'number' || typeof uploadId !== 'string') return undefined;
  const parts = runs ?? undefined;
  if (parts !== undefined && (!Array.isArray(parts) || !parts.every(isRun))) return undefined;
  return { etag, size, parts, uploadId, ...(typeof checksums === 'string' && { checksums }) };
}

function isRun(value: unknown): value is PartRun {
  return Array.isArray(value) && value.length === 3 && value.every((item) => Number.isSafeInteger(item));
}

function checksumOf(value: unknown): BlobRecord['checksum'] {
  if (!Array.isArray(value)) return undefined;
  const [algorithm, type, text, etag] = value as readonly unknown[];
  const mode = modeOf(algorithm, type);
  if (mode === undefined || typeof text !== 'string' || typeof etag !== 'string') return undefined;
  return { ...mode, value: text, etag };
}

function modeOf(algorithm: unknown, type: unknown): Pick<Checksum, 'algorithm' | 'type'> | undefined {
  if (typeof algorithm !== 'string' || !isChecksumAlgorithm(algorithm)) return undefined;
  return type === 'FULL_OBJECT' || type === 'COMPOSITE' ? { algorithm, type } : undefined;
}

function uploadOf(value: unknown): BlobRecord['upload'] {
  if (!Array.isArray(value)) return undefined;
  const [key, initiated, algorithm, type] = value as readonly unknown[];
  if (typeof key !== 'string' || typeof initiated !== 'number') return undefined;
  const checksum = modeOf(algorithm, type);
  return { key, initiated, ...(checksum && { checksum }) };
}

function pairsOf(value: unknown): readonly (readonly [string, string])[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const isPair = (pair: unknown): pair is readonly [string, string] =>
    Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'string';
  return value.every(isPair) ? value : undefined;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // An object's fields are all unknown until looked at.
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
