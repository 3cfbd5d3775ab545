import type { Body } from '../../s3/message.ts';
import type { DataFiles } from './data-files.ts';
import { SegmentReader, type Stretch } from './segment-reader.ts';
import { filesOf, type Segment, sliceSegments } from './segments.ts';
import type { Tables } from './tables.ts';

/** A stretch of an object's bytes, `end` exclusive. */
export interface Extent {
  readonly segments: readonly Segment[];
  readonly start: number;
  readonly end: number;
}

/**
 * Opens bytes for reading. Must be called in the same turn as the row was read: from then on its files stay,
 * whatever happens to the object. The caller owns the body.
 * @throws Error when the first file is missing or of another length, so that it can still be answered
 */
export async function openBytes(context: { tables: Tables; files: DataFiles }, extent: Extent): Promise<Body> {
  const { tables, files } = context;
  const slices = sliceSegments(extent.segments, extent.start, extent.end);
  if (slices.length === 0) return null;
  const stretches = slices.map(({ segment, start, end }): Stretch => {
    if (typeof segment.source === 'string') return { file: segment.source, size: segment.size, start, end };
    return { bytes: tables.bytes(segment.source).subarray(start, end) };
  });
  const [first] = stretches;
  if (first !== undefined && stretches.length === 1 && 'bytes' in first) return first.bytes;
  const pinned = filesOf(slices.map(({ segment }) => segment));
  files.pin(pinned);
  try {
    return new SegmentReader({
      stretches,
      open: (file, size) => files.open(file, size),
      first: first !== undefined && 'file' in first ? await files.open(first.file, first.size) : undefined,
      onClose: () => files.unpin(pinned),
    });
  } catch (error) {
    files.unpin(pinned);
    throw error;
  }
}
