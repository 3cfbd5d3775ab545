import { childText } from '../s3/xml.ts';
import { ask, keyText, timeOf } from './ask.ts';
import type { Place, TidyStorage } from './place.ts';

/** An upload in parts that was begun and not ended. */
export interface OpenUpload {
  readonly key: string;
  readonly uploadId: string;
  /** By the storage's clock; undefined where it does not say. */
  readonly initiated: Date | undefined;
}

export interface UploadPage {
  readonly uploads: readonly OpenUpload[];
  /** When the storage gave the page, by its clock. */
  readonly at: Date;
  /** What Sluice did in the storage's stead to have a list at all. */
  readonly emulated: string | undefined;
}

/**
 * The open uploads of a place, page by page. A page is given out when the next one is here already: a storage finds the
 * place to go on from by the last upload of a page, which must be there still.
 * @throws S3Error; Error when the pages do not move on
 */
export async function* openUploads(
  storage: TidyStorage,
  place: Place,
  signal: AbortSignal,
): AsyncGenerator<UploadPage> {
  let marker: Marker | undefined;
  let held: UploadPage | undefined;
  do {
    const { page, next } = await readPage(storage, place, { marker, signal });
    if (held !== undefined) yield held;
    held = page;
    if (next !== undefined && next.key === marker?.key && next.uploadId === marker.uploadId) {
      throw new Error('the list of uploads does not move on');
    }
    marker = next;
  } while (marker !== undefined);
  yield held;
}

interface Marker {
  readonly key: string;
  readonly uploadId: string | undefined;
}

async function readPage(
  storage: TidyStorage,
  { bucket, prefix }: Place,
  { marker, signal }: { readonly marker: Marker | undefined; readonly signal: AbortSignal },
): Promise<{ readonly page: UploadPage; readonly next: Marker | undefined }> {
  const query = {
    uploads: '',
    prefix: prefix === '' ? undefined : prefix,
    'encoding-type': 'url',
    'max-uploads': String(storage.pageSize),
    'key-marker': marker?.key,
    'upload-id-marker': marker?.uploadId,
  };
  const question = { method: 'GET', bucket, query, root: 'ListMultipartUploadsResult' } as const;
  const { root, emulated } = await ask(storage, question, signal);
  const uploads = root.children.flatMap((item): OpenUpload[] => {
    if (item.name !== 'Upload') return [];
    const key = keyText(root, item, 'Key');
    const uploadId = childText(item, 'UploadId') ?? '';
    // Some services take no notice of a prefix: what lies outside is somebody else's.
    if (key === undefined || uploadId === '' || !key.startsWith(prefix)) return [];
    return [{ key, uploadId, initiated: timeOf(item, 'Initiated') }];
  });
  const isLast = childText(root, 'IsTruncated') !== 'true';
  const key = isLast ? undefined : keyText(root, root, 'NextKeyMarker');
  if (!isLast && key === undefined) throw new Error('the list of uploads does not say how to go on');
  return {
    page: { uploads, at: storage.clock(), emulated },
    next: key === undefined ? undefined : { key, uploadId: childText(root, 'NextUploadIdMarker') || undefined },
  };
}

/**
 * When the last part of an upload arrived; its beginning where it has none.
 * @throws S3Error NoSuchUpload among others
 */
export async function lastActivity(
  storage: TidyStorage,
  { bucket }: Place,
  { key, uploadId, initiated }: OpenUpload & { readonly initiated: Date },
  signal: AbortSignal,
): Promise<Date> {
  let last = initiated;
  for (let after: string | undefined; ; ) {
    const query = { uploadId, 'part-number-marker': after };
    const { root } = await ask(storage, { method: 'GET', bucket, key, query, root: 'ListPartsResult' }, signal);
    for (const part of root.children) {
      if (part.name !== 'Part') continue;
      const modified = timeOf(part, 'LastModified');
      if (modified === undefined) throw new Error('a part does not say when it came');
      if (modified > last) last = modified;
    }
    if (childText(root, 'IsTruncated') !== 'true') return last;
    const next = childText(root, 'NextPartNumberMarker');
    if (next === undefined || next === after) throw new Error('the list of parts does not move on');
    after = next;
  }
}
