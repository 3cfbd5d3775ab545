import { refusal } from '../rules.ts';
import type { Strictness } from '../strictness.ts';
import { type Answer, type Asked, parameter } from './message.ts';
import { type Bucket, type Buckets, type StoredObject, written } from './store.ts';
import { type Content, document } from './xml.ts';

const OWNER = { ID: '1234567890', DisplayName: 'vendor-account' };

const inByteOrder = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

function encoded(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', '/');
}

interface Page {
  readonly rows: readonly StoredObject[];
  readonly prefixes: readonly string[];
  readonly isTruncated: boolean;
  /** Where the next page goes on: a key or a prefix, itself left out. */
  readonly last: string;
}

function page(bucket: Bucket, question: { prefix: string; delimiter: string; after: string; most: number }): Page {
  const { prefix, delimiter, after, most } = question;
  const rows: StoredObject[] = [];
  const prefixes = new Set<string>();
  let last = '';
  for (const key of [...bucket.objects.keys()].sort(inByteOrder)) {
    if (!key.startsWith(prefix) || inByteOrder(key, after) <= 0) continue;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const group = cut < 0 ? undefined : key.slice(0, cut + delimiter.length);
    if (group !== undefined && (prefixes.has(group) || (after.startsWith(group) && after === group))) continue;
    if (rows.length + prefixes.size >= most) return { rows, prefixes: [...prefixes], isTruncated: most > 0, last };
    last = group ?? key;
    const object = bucket.objects.get(key);
    if (group !== undefined) prefixes.add(group);
    else if (object !== undefined) rows.push(object);
  }
  return { rows, prefixes: [...prefixes], isTruncated: false, last };
}

/** ListObjects and ListObjectsV2, with what the row says of both. */
export function listObjects(asked: Asked, name: string, bucket: Bucket, row: Strictness): Answer {
  const value = (parameterName: string): string => parameter(asked, parameterName) ?? '';
  const wantsV2 = value('list-type') === '2';
  if (wantsV2 && typeof row.listV2 !== 'string') throw refusal(row.listV2);
  const isV2 = wantsV2 && row.listV2 === 'served';
  const wantsEncoding = value('encoding-type') === 'url';
  if (wantsEncoding && typeof row.encodingType !== 'string') throw refusal(row.encodingType);
  const isEncoded = wantsEncoding && row.encodingType !== 'ignored';
  const most = Number(value('max-keys') || '1000');
  if (most > 1000 && row.maxKeys !== 'capped') throw refusal(row.maxKeys);

  const prefix = value('prefix');
  const delimiter = value('delimiter');
  const token = Buffer.from(value('continuation-token'), 'base64url').toString();
  const marker = isV2 ? token || value('start-after') : value('marker');
  const after = isEncoded && row.encodingType === 'loops' ? '' : marker;
  const found = page(bucket, { prefix, delimiter, after, most: Math.min(most, 1000) });
  const show = isEncoded ? encoded : (text: string): string => text;
  const showPrefix = isEncoded && row.encodingType !== 'not prefixes' ? encoded : (text: string): string => text;

  const isOwned = !isV2 || value('fetch-owner') === 'true';
  const contents = found.rows.map(
    (object): Content => ({
      Key: show(object.key),
      LastModified: object.modified.toISOString(),
      ETag: written(object.etag, row),
      Size: object.size,
      StorageClass: object.headers['x-amz-storage-class'] ?? 'STANDARD',
      Owner: isOwned ? OWNER : undefined,
    }),
  );
  const paging: Content = isV2
    ? {
        KeyCount: found.rows.length + found.prefixes.length,
        ContinuationToken: value('continuation-token') || undefined,
        NextContinuationToken: found.isTruncated ? Buffer.from(found.last).toString('base64url') : undefined,
        StartAfter: value('start-after') === '' ? undefined : show(value('start-after')),
      }
    : { Marker: show(marker), NextMarker: found.isTruncated && delimiter !== '' ? show(found.last) : undefined };
  const body = document('ListBucketResult', row.namespace, {
    Name: name,
    Prefix: show(prefix),
    ...paging,
    MaxKeys: Math.min(most, 1000),
    Delimiter: delimiter === '' ? undefined : show(delimiter),
    EncodingType: isEncoded ? 'url' : undefined,
    IsTruncated: found.isTruncated,
    Contents: contents,
    CommonPrefixes: found.prefixes.map((group) => ({ Prefix: showPrefix(group) })),
  });
  return { status: 200, body };
}

/** ListMultipartUploads, on one page. */
export function listUploads(asked: Asked, name: string, bucket: Bucket, row: Strictness): Answer {
  const prefix = parameter(asked, 'prefix') ?? '';
  const isShown = (key: string): boolean => (row.uploadsByWholeKey ? key === prefix : key.startsWith(prefix));
  const uploads = [...bucket.uploads.values()].filter(({ key }) => isShown(key));
  const body = document('ListMultipartUploadsResult', row.namespace, {
    Bucket: name,
    Prefix: prefix,
    MaxUploads: 1000,
    IsTruncated: false,
    Upload: uploads
      .sort((a, b) => inByteOrder(a.key, b.key))
      .map(({ key, id, begun }) => ({ Key: key, UploadId: id, Owner: OWNER, Initiated: begun.toISOString() })),
  });
  return { status: 200, body };
}

/** ListBuckets. */
export function listBuckets(buckets: Buckets, row: Strictness): Answer {
  const all = [...buckets].map(([Name, { created }]) => ({ Name, CreationDate: created.toISOString() }));
  return {
    status: 200,
    body: document('ListAllMyBucketsResult', row.namespace, { Owner: OWNER, Buckets: { Bucket: all } }),
  };
}

/** The owner's grant, as every ACL here says. */
export function accessControl(row: Strictness): Answer {
  const grant =
    `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>${OWNER.ID}</ID></Grantee>` +
    '<Permission>FULL_CONTROL</Permission>';
  const attribute = row.namespace === undefined ? '' : ` xmlns="${row.namespace}"`;
  const owner = `<Owner><ID>${OWNER.ID}</ID><DisplayName>${OWNER.DisplayName}</DisplayName></Owner>`;
  return {
    status: 200,
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<AccessControlPolicy${attribute}>${owner}<AccessControlList><Grant>${grant}</Grant></AccessControlList></AccessControlPolicy>`,
  };
}
