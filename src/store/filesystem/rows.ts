import type { ChecksumAlgorithm } from '../../s3/checksum.ts';
import type { Checksum, ListedObject, ObjectAttributes, ObjectDescription, Tags } from '../object-store.ts';
import { partsOf, type Segment } from './segments.ts';

/** A row of `objects` as SQLite gives it. */
export interface ObjectRow {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly modified: number;
  readonly storage_class: string;
  readonly checksum_algorithm: string | null;
  readonly checksum_type: string | null;
  readonly checksum_value: string | null;
  readonly upload: string | null;
  readonly tags: string;
  readonly attributes: string;
  readonly content: string;
}

/** The columns of a row that listings read. */
export type ListedRow = Pick<
  ObjectRow,
  'key' | 'size' | 'etag' | 'modified' | 'storage_class' | 'checksum_algorithm' | 'checksum_type'
>;

/** The checksum in a row; undefined when it has none. */
export function checksumOf(
  row: Pick<ObjectRow, 'checksum_algorithm' | 'checksum_type' | 'checksum_value'>,
): Checksum | undefined {
  const mode = checksumModeOf(row);
  return mode === undefined || row.checksum_value === null ? undefined : { ...mode, value: row.checksum_value };
}

/** The algorithm and type of the checksum in a row; undefined when it has none. */
export function checksumModeOf(
  row: Pick<ObjectRow, 'checksum_algorithm' | 'checksum_type'>,
): Pick<Checksum, 'algorithm' | 'type'> | undefined {
  if (row.checksum_algorithm === null || row.checksum_type === null) return undefined;
  // Both columns are written from a Checksum only.
  return { algorithm: row.checksum_algorithm as ChecksumAlgorithm, type: row.checksum_type as Checksum['type'] };
}

/** A row as the store tells of it. */
export function describe(bucket: string, row: ObjectRow, segments: readonly Segment[]): ObjectDescription {
  const checksum = checksumOf(row);
  return {
    bucket,
    key: row.key,
    size: row.size,
    etag: row.etag,
    lastModified: new Date(row.modified),
    storageClass: row.storage_class,
    checksum,
    tags: unpackTags(row.tags),
    ...unpackAttributes(row.attributes),
    parts: partsOf(segments, checksum?.algorithm),
  };
}

/** A row as a listing shows it. */
export function listed(row: ListedRow): ListedObject {
  return {
    key: row.key,
    size: row.size,
    etag: row.etag,
    lastModified: new Date(row.modified),
    storageClass: row.storage_class,
    checksum: checksumModeOf(row),
  };
}

/** What the `attributes` columns hold. */
export type HeadersAndMetadata = Pick<ObjectAttributes, 'systemHeaders' | 'userMetadata'>;

/** As kept in the `attributes` columns. */
export function packAttributes(attributes: HeadersAndMetadata): string {
  return JSON.stringify([[...attributes.systemHeaders], [...attributes.userMetadata]]);
}

/** What `packAttributes` wrote. */
export function unpackAttributes(text: string): HeadersAndMetadata {
  // Only packAttributes writes this column.
  const [systemHeaders, userMetadata] = JSON.parse(text) as [[string, string][], [string, string][]];
  return { systemHeaders: new Map(systemHeaders), userMetadata: new Map(userMetadata) };
}

/** As kept in the `tags` columns. */
export function packTags(tags: Tags): string {
  return JSON.stringify(tags);
}

/** What `packTags` wrote. */
export function unpackTags(text: string): Tags {
  // Only packTags writes this column.
  return JSON.parse(text) as Tags;
}
