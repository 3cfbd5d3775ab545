import type { ListedUpload, ListUploadsInput, ListUploadsOutput } from '../object-store.ts';
import { checkContainer } from './buckets.ts';
import type { Context } from './context.ts';
import { removeStaged, STAGING_PREFIX } from './finishing.ts';
import { type ListItem, listPage } from './list-page.ts';
import { compareUtf8 } from './name-order.ts';

/** Milliseconds after which a staging blob that is no upload belongs to nobody: its maker was stopped. */
const ABANDONED = 24 * 3600_000;

/** One page of uploads. Azure keeps them by id: all are read, and put in the order of their keys here. */
export async function listUploads(context: Context, input: ListUploadsInput): Promise<ListUploadsOutput> {
  checkContainer(input.bucket);
  const { prefix, delimiter, afterKey, afterUploadId, limit } = input;
  const found = await readUploads(context, input.bucket);
  const uploads: ListedUpload[] = [];
  const groups = new Set<string>();
  let last: { key: string; uploadId: string } | undefined;
  for (const upload of found) {
    const { key, uploadId } = upload;
    if (!key.startsWith(prefix)) continue;
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const group = at < 0 ? undefined : key.slice(0, at + delimiter.length);
    const order = compareUtf8(key, afterKey);
    const isBefore = order < 0 || (order === 0 && (afterUploadId === '' || uploadId <= afterUploadId));
    if ((afterKey !== '' && isBefore) || (group !== undefined && (group === afterKey || groups.has(group)))) continue;
    if (uploads.length + groups.size === limit) return { uploads, commonPrefixes: [...groups], next: last };
    if (group === undefined) {
      uploads.push(upload);
      last = { key, uploadId };
    } else {
      groups.add(group);
      last = { key: group, uploadId: '' };
    }
  }
  return { uploads, commonPrefixes: [...groups], next: undefined };
}

/** All uploads, by key and id. What a stopped gateway has left beside them is removed on the way. */
async function readUploads({ client, now }: Context, container: string): Promise<ListedUpload[]> {
  const uploads: ListedUpload[] = [];
  const abandoned: string[] = [];
  let marker: string | undefined;
  do {
    const page = await listPage(client, { container, prefix: STAGING_PREFIX, maxResults: 5000, marker });
    for (const item of page.items) {
      const upload = uploadOf(item);
      if (upload !== undefined) uploads.push(upload);
      else if (item.blob && item.blob.lastModified.getTime() < now() - ABANDONED) abandoned.push(item.name);
    }
    marker = page.marker;
  } while (marker !== undefined);
  await Promise.all(abandoned.map((name) => removeStaged(client, container, name)));
  return uploads.sort((a, b) => compareUtf8(a.key, b.key) || compareUtf8(a.uploadId, b.uploadId));
}

function uploadOf({ name, blob }: ListItem): ListedUpload | undefined {
  const upload = blob?.record.upload;
  if (blob === undefined || upload === undefined) return undefined;
  return {
    key: upload.key,
    uploadId: name.slice(STAGING_PREFIX.length),
    initiated: new Date(upload.initiated),
    storageClass: blob.record.storageClass ?? 'STANDARD',
    checksum: upload.checksum,
  };
}
