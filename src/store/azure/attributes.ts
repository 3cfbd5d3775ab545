import { S3Error } from '../../s3/error.ts';
import type { Headers } from '../../s3/headers.ts';
import { encodeUri } from '../../s3/uri.ts';
import type { ObjectAttributes, Tags } from '../object-store.ts';
import { type BlobRecord, packRecord, RECORD_NAME } from './record.ts';

/** System headers that are properties of a blob. */
const PROPERTIES = [
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'cache-control',
] as const;

const META = 'x-ms-meta-';
/** Bytes of all metadata of a blob, names and values. */
export const MAX_METADATA = 8 * 1024;

/** Classes whose tier is not Azure's default one. */
const TIERS: Readonly<Record<string, string>> = {
  STANDARD_IA: 'Cool',
  ONEZONE_IA: 'Cool',
  GLACIER_IR: 'Cold',
  GLACIER: 'Archive',
  DEEP_ARCHIVE: 'Archive',
};
const CLASSES: Readonly<Record<string, string>> = { Cool: 'STANDARD_IA', Cold: 'GLACIER_IR', Archive: 'GLACIER' };

/** How a blob is to be described: what goes into headers of the request that writes it. */
export interface BlobAttributes extends Omit<ObjectAttributes, 'tags'> {
  readonly tags: Tags;
  /** What the record says beside what the attributes make it say. */
  readonly record: BlobRecord;
  /** The account has tags of its own. */
  readonly hasTags: boolean;
}

/**
 * Headers that give a blob its properties, metadata, tags and tier; those with which a blob is made.
 * @throws S3Error MetadataTooLarge when Azure has not the room
 */
export function attributeHeaders(attributes: BlobAttributes): Record<string, string> {
  return {
    ...propertyHeaders(attributes.systemHeaders),
    ...metadataHeaders(attributes),
    ...tagHeaders(attributes),
    ...tierHeaders(attributes.storageClass),
  };
}

/** As `attributeHeaders`, for a copy, which has its properties from the source. */
export function copyHeaders(attributes: BlobAttributes): Record<string, string> {
  return { ...metadataHeaders(attributes), ...tagHeaders(attributes), ...tierHeaders(attributes.storageClass) };
}

/** The content headers, all of them: whatever is not sent is cleared. */
export function propertyHeaders(systemHeaders: Headers): Record<string, string> {
  const found = PROPERTIES.flatMap((name) => {
    // S3's default is not Azure's.
    const value = systemHeaders.get(name) ?? (name === 'content-type' ? 'binary/octet-stream' : undefined);
    return value === undefined || !isPlain(value) ? [] : [[propertyHeader(name), value] as const];
  });
  return Object.fromEntries(found);
}

/** The metadata headers, the record among them. @throws S3Error MetadataTooLarge */
export function metadataHeaders(attributes: BlobAttributes): Record<string, string> {
  const headers = unlimitedHeaders(attributes);
  const size = sizeOf(headers);
  if (size <= MAX_METADATA) return headers;
  throw new S3Error('MetadataTooLarge', {
    detail: { Size: String(size), MaxSizeAllowed: String(MAX_METADATA) },
  });
}

/** Bytes that Azure counts of these attributes' metadata; it takes `MAX_METADATA`. */
export function metadataSize(attributes: BlobAttributes): number {
  return sizeOf(unlimitedHeaders(attributes));
}

function sizeOf(headers: Readonly<Record<string, string>>): number {
  return Object.entries(headers).reduce((sum, [name, value]) => sum + name.length - META.length + value.length, 0);
}

function unlimitedHeaders(attributes: BlobAttributes): Record<string, string> {
  const { systemHeaders, userMetadata, storageClass, tags, hasTags } = attributes;
  const headers: Record<string, string> = {};
  const kept: [string, string][] = [];
  for (const [name, value] of userMetadata) {
    if (isMetadataName(name) && isPlain(value)) headers[`${META}${name}`] = value;
    else kept.push([name, value]);
  }
  const properties: ReadonlySet<string> = new Set(PROPERTIES);
  const others = [...systemHeaders].filter(([name, value]) => !properties.has(name) || !isPlain(value));
  const record: BlobRecord = {
    ...attributes.record,
    ...(kept.length > 0 && { userMetadata: kept }),
    ...(others.length > 0 && { systemHeaders: others }),
    ...(storageClass !== 'STANDARD' && { storageClass }),
    ...(tags.length > 0 && !(hasTags && areTagsPlain(tags)) && { tags }),
  };
  headers[`${META}${RECORD_NAME}`] = packRecord(record);
  return headers;
}

/** Azure's own tags, where it takes all of them. */
function tagHeaders({ tags, hasTags }: Pick<BlobAttributes, 'tags' | 'hasTags'>): Record<string, string> {
  if (tags.length === 0 || !hasTags || !areTagsPlain(tags)) return {};
  return { 'x-ms-tags': tags.map(([name, value]) => `${encodeUri(name)}=${encodeUri(value)}`).join('&') };
}

/** The tier that a storage class asks for; none for the account's default. */
export function tierHeaders(storageClass: string): Record<string, string> {
  const tier = TIERS[storageClass];
  return tier === undefined ? {} : { 'x-ms-access-tier': tier };
}

/** Whether objects of the class can be neither read nor changed, but for their tags. */
export function isArchived(storageClass: string): boolean {
  return TIERS[storageClass] === 'Archive';
}

/** The class of a blob that nobody told us of, by its tier. */
export function classOfTier(tier: string | undefined): string {
  return CLASSES[tier ?? ''] ?? 'STANDARD';
}

/** Whether Azure's tags can hold them. https://learn.microsoft.com/rest/api/storageservices/set-blob-tags */
export function areTagsPlain(tags: Tags): boolean {
  return tags.every((pair) => pair.every((text) => /^[A-Za-z0-9 +\-./:=_]*$/.test(text)));
}

/** Reads back what `attributeHeaders` wrote, from properties and metadata by their names without any prefix. */
export function readAttributes(
  properties: Headers,
  metadata: Headers,
  record: BlobRecord,
): Pick<ObjectAttributes, 'systemHeaders' | 'userMetadata'> {
  const systemHeaders = new Map<string, string>();
  for (const name of PROPERTIES) {
    const value = properties.get(name);
    if (value !== undefined && value !== '') systemHeaders.set(name, value);
  }
  for (const [name, value] of record.systemHeaders ?? []) systemHeaders.set(name, value);
  const userMetadata = new Map<string, string>();
  for (const [name, value] of metadata) if (name !== RECORD_NAME) userMetadata.set(name, value);
  for (const [name, value] of record.userMetadata ?? []) userMetadata.set(name, value);
  return { systemHeaders, userMetadata };
}

/** The metadata of an answer, names without `x-ms-meta-`, lower case. */
export function metadataOf(headers: Headers): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of headers) if (name.startsWith(META)) found.set(name.slice(META.length), value);
  return found;
}

function propertyHeader(name: (typeof PROPERTIES)[number]): string {
  return name === 'cache-control' ? 'x-ms-blob-cache-control' : `x-ms-blob-${name}`;
}

/** Metadata names are identifiers there, and sort in ways of their own: these are safe from both. */
function isMetadataName(name: string): boolean {
  return name !== RECORD_NAME && /^[a-z][a-z0-9]*$/.test(name);
}

/** Whether a value is signed and read back as it is: ASCII, without blanks that anybody would trim or join. */
function isPlain(value: string): boolean {
  return /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/.test(value);
}
