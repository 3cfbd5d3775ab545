import { S3Error } from '../../s3/error.ts';
import type { S3Request } from '../../s3/message.ts';
import { escapeXml } from '../../s3/xml.ts';
import { compileShape, editXml, type XmlShape } from '../../s3/xml-edit.ts';
import { tokenOf } from './continuation.ts';
import type { Listing, Page } from './listing-page.ts';
import { PERCENT, PLAIN } from './text-coding.ts';

const OBJECT = {
  Key: 'keep',
  LastModified: 'keep',
  ETag: 'keep',
  Size: 'keep',
  StorageClass: 'keep',
  RestoreStatus: { IsRestoreInProgress: 'keep', RestoreExpiryDate: 'keep' },
  ChecksumAlgorithm: 'keep',
  ChecksumType: 'keep',
} as const satisfies XmlShape<'text'>;
const LISTING = {
  Name: 'keep',
  Prefix: 'keep',
  Delimiter: 'keep',
  MaxKeys: 'keep',
  EncodingType: 'keep',
  IsTruncated: 'keep',
  CommonPrefixes: { Prefix: 'keep' },
} as const satisfies XmlShape<'text'>;
const OWNER = { ID: 'keep', DisplayName: 'keep' } as const satisfies XmlShape<'text'>;

/** What V2 keeps of a V1 answer; its owner only where the client wants it. */
const VERSION_2 = compileShape<'text'>({ ListBucketResult: { ...LISTING, Contents: OBJECT } });
const VERSION_2_OWNED = compileShape<'text'>({
  ListBucketResult: { ...LISTING, Contents: { ...OBJECT, Owner: OWNER } },
});

/**
 * Makes a V2 answer of a V1 page, by the client's own request.
 * @throws S3Error InternalError when the page is broken
 */
export function toVersion2({ text, next, coding }: Page, { query }: S3Request): string {
  let count = 0;
  const enter = (name: string): void => {
    if (/(^|:)(Contents|CommonPrefixes)$/.test(name)) count++;
  };
  const shape = query.get('fetch-owner') === 'true' ? VERSION_2_OWNED : VERSION_2;
  const kept = editXml(text, { shape, edit: (_kind, raw) => raw, enter, others: 'drop' });
  const token = query.get('continuation-token');
  const after = query.get('start-after');
  return beforeEnd(kept, [
    ['KeyCount', String(count)],
    ['ContinuationToken', token === undefined ? undefined : escapeXml(token)],
    ['StartAfter', after === undefined ? undefined : escapeXml(coding === PERCENT ? PERCENT.encode(after) : after)],
    ['NextContinuationToken', next === undefined ? undefined : tokenOf(next)],
  ]);
}

const MARKED = { Prefix: 'text', Delimiter: 'text', CommonPrefixes: { Prefix: 'text' } } as const;
const BUCKET_RESULT = {
  ListBucketResult: { ...MARKED, Marker: 'text', NextMarker: 'text', StartAfter: 'text', Contents: { Key: 'text' } },
} as const satisfies XmlShape<'text'>;
/** Where keys and parts of keys stand. */
const ENCODED = {
  ListObjects: compileShape<'text'>(BUCKET_RESULT),
  ListObjectsV2: compileShape<'text'>(BUCKET_RESULT),
  ListObjectVersions: compileShape<'text'>({
    ListVersionsResult: {
      ...MARKED,
      KeyMarker: 'text',
      NextKeyMarker: 'text',
      Version: { Key: 'text' },
      DeleteMarker: { Key: 'text' },
    },
  }),
  ListMultipartUploads: compileShape<'text'>({
    ListMultipartUploadsResult: { ...MARKED, KeyMarker: 'text', NextKeyMarker: 'text', Upload: { Key: 'text' } },
  }),
} as const satisfies Record<Listing, unknown>;

/**
 * Writes the keys of a plain listing percent-encoded, and says so.
 * @throws S3Error InternalError when the listing is broken
 */
export function encodeListing(text: string, operation: Listing): string {
  const edit = (_kind: 'text', raw: string): string => {
    const plain = PLAIN.decode(raw);
    if (plain === undefined) {
      throw new S3Error('InternalError', { cause: new Error('the listing has a text that cannot be decoded') });
    }
    return PERCENT.encode(plain);
  };
  const encoded = editXml(text, { shape: ENCODED[operation], edit, others: 'keep' });
  return beforeEnd(encoded, [['EncodingType', 'url']]);
}

/** Puts elements, whose texts are escaped, before the end of a document; those without a text are left out. */
export function beforeEnd(
  text: string,
  elements: readonly (readonly [name: string, text: string | undefined])[],
): string {
  const end = text.lastIndexOf('</');
  const added = elements.map(([name, inner]) => (inner === undefined ? '' : `<${name}>${inner}</${name}>`));
  return `${text.slice(0, end)}${added.join('')}${text.slice(end)}`;
}
