import { buildPlainXml, childText } from '../../s3/xml.ts';
import type { ObjectPlace, Tags } from '../object-store.ts';
import { areTagsPlain, metadataHeaders, readAttributes } from './attributes.ts';
import type { Context } from './context.ts';
import { azureStatus } from './errors.ts';
import { blobName } from './names.ts';
import { headObjectBlob } from './reading.ts';

/** How often tags are written anew when the object changes between looking at it and that. */
const ATTEMPTS = 5;

/** An object's tags, wherever they are kept. */
export async function getTagging(context: Context, place: ObjectPlace): Promise<Tags> {
  const blob = await headObjectBlob(context, place);
  if (blob.record.tags !== undefined) return blob.record.tags;
  return blob.tagCount === 0 ? [] : readTags(context, place);
}

/** The tags that Azure keeps. */
export async function readTags({ client }: Context, { bucket, key }: ObjectPlace): Promise<Tags> {
  const query = { comp: 'tags' };
  const root = await client.document({ method: 'GET', container: bucket, blob: blobName(key), query });
  const sets = root.children.filter((child) => child.name === 'TagSet');
  return sets.flatMap((set) =>
    set.children.map((tag) => [childText(tag, 'Key') ?? '', childText(tag, 'Value') ?? ''] as const),
  );
}

/**
 * Replaces an object's tags: with Azure's own, which leave its ETag and date alone; those it would not take go into
 * the record.
 */
export async function putTagging(context: Context, place: ObjectPlace, tags: Tags): Promise<void> {
  const hasTags = await context.traits.mayTag(tags);
  const isNative = hasTags && areTagsPlain(tags);
  for (let attempt = 1; ; attempt++) {
    const blob = await headObjectBlob(context, place);
    const isKept = blob.record.tags !== undefined;
    try {
      if (isKept || (!isNative && tags.length > 0)) {
        const { tags: _tags, userMetadata: _user, systemHeaders: _system, storageClass, ...record } = blob.record;
        const attributes = { ...readAttributes(blob.properties, blob.metadata, blob.record), record };
        const headers = metadataHeaders({
          ...attributes,
          storageClass: storageClass ?? 'STANDARD',
          tags,
          hasTags,
        });
        await setMetadata(context, place, { ...headers, 'if-match': blob.azureEtag });
      }
      if ((isNative && tags.length > 0) || blob.tagCount > 0) await setTags(context, place, isNative ? tags : []);
      return;
    } catch (error) {
      if (azureStatus(error) !== 412 || attempt === ATTEMPTS) throw error;
    }
  }
}

async function setMetadata(
  { client }: Context,
  { bucket, key }: ObjectPlace,
  headers: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const query = { comp: 'metadata' };
  await client.head({ method: 'PUT', container: bucket, blob: blobName(key), query, headers });
}

async function setTags({ client }: Context, { bucket, key }: ObjectPlace, tags: Tags): Promise<void> {
  const document = buildPlainXml([
    'Tags',
    [
      [
        'TagSet',
        tags.map(([name, value]) => [
          'Tag',
          [
            ['Key', name],
            ['Value', value],
          ],
        ]),
      ],
    ],
  ]);
  await client.head({
    method: 'PUT',
    container: bucket,
    blob: blobName(key),
    query: { comp: 'tags' },
    headers: { 'content-type': 'application/xml; charset=UTF-8' },
    body: Buffer.from(document),
    isRepeatable: true,
  });
}
