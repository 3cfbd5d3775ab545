import type { ChecksumAlgorithm } from '../../s3/checksum.ts';
import type { PartInfo } from '../object-store.ts';

/**
 * A stretch of an object's bytes: a whole data file (by name) or a body kept in the index (by number). An object
 * completed from parts has one segment for each part, so completing one and copying one move no bytes.
 */
export interface Segment {
  readonly source: string | number;
  readonly size: number;
  /** Set when the segment is a part. */
  readonly partNumber: number | undefined;
  /** The part's checksum, in the object's algorithm. */
  readonly checksum: string | undefined;
}

type Packed = [source: string | number, size: number, partNumber?: number, checksum?: string | null];

/** As kept in the `content` columns. */
export function packSegments(segments: readonly Segment[]): string {
  return JSON.stringify(
    segments.map(({ source, size, partNumber, checksum }): Packed => {
      if (partNumber === undefined) return [source, size];
      return checksum === undefined ? [source, size, partNumber] : [source, size, partNumber, checksum];
    }),
  );
}

/** What `packSegments` wrote. */
export function unpackSegments(content: string): Segment[] {
  // Only packSegments writes this column.
  const packed = JSON.parse(content) as Packed[];
  return packed.map(([source, size, partNumber, checksum]) => ({
    source,
    size,
    partNumber,
    checksum: checksum ?? undefined,
  }));
}

/** The parts that segments are, undefined for an object written in one piece. */
export function partsOf(
  segments: readonly Segment[],
  algorithm: ChecksumAlgorithm | undefined,
): PartInfo[] | undefined {
  if (segments[0]?.partNumber === undefined) return undefined;
  return segments.map(({ partNumber, size, checksum }) => ({
    partNumber: partNumber ?? 0,
    size,
    checksum:
      algorithm === undefined || checksum === undefined
        ? undefined
        : { algorithm, type: 'FULL_OBJECT', value: checksum },
  }));
}

/** Names of the data files among segments. */
export function filesOf(segments: readonly Segment[]): string[] {
  return segments.flatMap(({ source }) => (typeof source === 'string' ? [source] : []));
}

/** A segment cut to the bytes wanted: offsets within it, `end` exclusive. */
export interface Slice {
  readonly segment: Segment;
  readonly start: number;
  readonly end: number;
}

/** The slices that hold the bytes from `start` up to, not including, `end` of the object. */
export function sliceSegments(segments: readonly Segment[], start: number, end: number): Slice[] {
  const slices: Slice[] = [];
  let offset = 0;
  for (const segment of segments) {
    const from = Math.max(start - offset, 0);
    const to = Math.min(end - offset, segment.size);
    if (from < to) slices.push({ segment, start: from, end: to });
    offset += segment.size;
    if (offset >= end) break;
  }
  return slices;
}
