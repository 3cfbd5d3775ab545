import { read } from './blobs.ts';
import { type Context, checkWrite, copySource, rangeOf, receive, receiveText } from './context.ts';
import { type Answer, VendorError } from './message.ts';
import {
  bucketOf,
  checkConditions,
  joinedETag,
  keptHeaders,
  objectOf,
  type StoredObject,
  singleETag,
  stored,
  written,
} from './store.ts';
import { document, elements, text } from './xml.ts';

/** PutObject. */
export async function putObject(context: Context): Promise<Answer> {
  const { asked, row, buckets, now } = context;
  const bucket = bucketOf(buckets, asked.bucket);
  const key = asked.key ?? '';
  checkWrite(context, bucket.objects.get(key));
  const blob = await receive(context);
  checkWrite(context, bucket.objects.get(key));
  const etag = singleETag(blob, row);
  const tags = asked.headers['x-amz-tagging'] ?? '';
  bucket.objects.set(key, stored(key, [blob], { etag, headers: keptHeaders(asked.headers), now, tags }));
  return { status: 200, headers: { etag: written(etag, row) } };
}

function objectHeaders(object: StoredObject, context: Context): Record<string, string> {
  const { asked, row } = context;
  const overrides = asked.parameters
    .filter(([name]) => name.startsWith('response-'))
    .map(([name, value]) => [name.slice('response-'.length), value] as const);
  return {
    'content-type': 'binary/octet-stream',
    ...object.headers,
    ...Object.fromEntries(overrides),
    etag: written(object.etag, row),
    'last-modified': object.modified.toUTCString(),
    'accept-ranges': 'bytes',
  };
}

/** GetObject and HeadObject. */
export function getObject(context: Context): Answer {
  const { asked, row, buckets } = context;
  const object = objectOf(bucketOf(buckets, asked.bucket), asked.key);
  checkConditions(asked.headers, object, { isRead: true });
  const headers = objectHeaders(object, context);
  const range = rangeOf(asked.headers.range, object.size);
  const { start, end } = range ?? { start: 0, end: object.size - 1 };
  if (range !== undefined) headers['content-range'] = `bytes ${start}-${end}/${object.size}`;
  if (object.size > 0 || asked.method === 'GET' || !row.silentEmptyHead)
    headers['content-length'] = String(end - start + 1);
  const status = range === undefined ? 200 : 206;
  return asked.method === 'HEAD' ? { status, headers } : { status, headers, body: read(object.blobs, start, end) };
}

/** DeleteObject. */
export function deleteObject({ asked, buckets }: Context): Answer {
  bucketOf(buckets, asked.bucket).objects.delete(asked.key ?? '');
  return { status: 204 };
}

/** CopyObject. */
export function copyObject(context: Context): Answer {
  const { asked, row, buckets, now } = context;
  const bucket = bucketOf(buckets, asked.bucket);
  const key = asked.key ?? '';
  const source = copySource(context);
  const old = objectOf(source.from, source.key);
  checkConditions(asked.headers, old, { isRead: false, prefix: 'x-amz-copy-source-' });
  if (old.size > row.maxCopy)
    throw new VendorError(
      400,
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${row.maxCopy}`,
    );
  const isReplaced = asked.headers['x-amz-metadata-directive'] === 'REPLACE';
  if (
    source.bucket === asked.bucket &&
    source.key === key &&
    !isReplaced &&
    asked.headers['x-amz-storage-class'] === undefined
  )
    throw new VendorError(
      400,
      'InvalidRequest',
      'This copy request is illegal because it is trying to copy an object to itself.',
    );
  checkWrite(context, bucket.objects.get(key));
  const own = keptHeaders(asked.headers);
  const headers = isReplaced
    ? own
    : { ...old.headers, ...(own['x-amz-storage-class'] && { 'x-amz-storage-class': own['x-amz-storage-class'] }) };
  const [first] = old.blobs;
  const etag =
    old.blobs.length === 1 && first !== undefined
      ? singleETag(first, row)
      : old.size === 0
        ? old.etag
        : joinedETag(old.blobs, row);
  bucket.objects.set(key, stored(key, old.blobs, { etag, headers, now, tags: old.tags }));
  return {
    status: 200,
    body: document('CopyObjectResult', row.namespace, { ETag: written(etag, row), LastModified: now.toISOString() }),
  };
}

/** DeleteObjects: all of them or none. */
export async function deleteObjects(context: Context): Promise<Answer> {
  const { asked, row, buckets } = context;
  const bucket = bucketOf(buckets, asked.bucket);
  const { accepts, refusal } = row.deleteDigest;
  const hasDigest = accepts.some((name) => {
    if (name === 'content-md5') return asked.headers[name] !== undefined;
    const pattern = name === 'crc32' ? /^x-amz-checksum-crc32$/ : /^x-amz-checksum-(crc|sha)/;
    return Object.keys(asked.headers).some((header) => pattern.test(header));
  });
  if (!hasDigest) throw new VendorError(refusal.status, refusal.code, refusal.message);
  const body = await receiveText(context);
  const rows = elements(body, 'Object').map((row) => text(row, 'Key'));
  if (rows.length === 0 || rows.some((key) => key === undefined))
    throw new VendorError(400, 'MalformedXML', 'The XML you provided was not well-formed.');
  const { most, refusal: tooMany } = row.deleteKeys;
  if (rows.length > most) throw new VendorError(tooMany.status, tooMany.code, tooMany.message);
  for (const key of rows) bucket.objects.delete(key ?? '');
  const isQuiet = text(body, 'Quiet') === 'true';
  return {
    status: 200,
    body: document('DeleteResult', row.namespace, { Deleted: isQuiet ? [] : rows.map((Key) => ({ Key })) }),
  };
}

/** The tags of an object: got, put, taken off. */
export async function tagging(context: Context): Promise<Answer> {
  const { asked, row, buckets } = context;
  const bucket = bucketOf(buckets, asked.bucket);
  const object = objectOf(bucket, asked.key);
  if (asked.method === 'GET') {
    const tags = [...new URLSearchParams(object.tags)].map(([Key, Value]) => ({ Key, Value }));
    return { status: 200, body: document('Tagging', row.namespace, { TagSet: { Tag: tags } }) };
  }
  const tags = new URLSearchParams();
  if (asked.method === 'PUT')
    for (const tag of elements(await receiveText(context), 'Tag'))
      tags.append(text(tag, 'Key') ?? '', text(tag, 'Value') ?? '');
  bucket.objects.set(object.key, { ...object, tags: tags.toString() });
  return { status: asked.method === 'PUT' ? 200 : 204 };
}
