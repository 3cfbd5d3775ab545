import { quoteEtag } from '../../s3/etag.ts';
import { encodeKey } from '../../s3/uri.ts';
import { escapeXml } from '../../s3/xml.ts';
import type { ListedObject } from '../object-store.ts';
import { xmlDate } from './answer.ts';

/** Writes a key, prefix or delimiter of a listing: percent-encoded when the client asked for it. */
export type KeyText = (key: string) => string;

/** @param isEncoded whether the client sent `encoding-type=url` */
export function keyText(isEncoded: boolean): KeyText {
  return isEncoded ? (key) => escapeXml(encodeKey(key)) : escapeXml;
}

/** An element of a listing; the text must be escaped. Undefined leaves it out. */
export function element(name: string, text: string | number | boolean | undefined): string {
  return text === undefined ? '' : `<${name}>${text}</${name}>`;
}

/** The one owner, as an element of a listing. */
export const OWNER_XML = '<Owner><ID>sluice</ID><DisplayName>sluice</DisplayName></Owner>';

/** How an object of a listing is written. */
export interface EntryOptions {
  readonly key: KeyText;
  readonly hasOwner: boolean;
  /** Goes between the key and the rest, already XML. */
  readonly version?: string;
}

/** One object of a listing, without the element around it. Built as text: a page has a thousand. */
export function objectXml(object: ListedObject, { key, hasOwner, version = '' }: EntryOptions): string {
  const { checksum } = object;
  const checksums =
    checksum === undefined
      ? ''
      : `<ChecksumAlgorithm>${checksum.algorithm}</ChecksumAlgorithm><ChecksumType>${checksum.type}</ChecksumType>`;
  return (
    `<Key>${key(object.key)}</Key>${version}<LastModified>${xmlDate(object.lastModified)}</LastModified>` +
    `<ETag>${escapeXml(quoteEtag(object.etag))}</ETag>${checksums}<Size>${object.size}</Size>` +
    `${hasOwner ? OWNER_XML : ''}<StorageClass>${escapeXml(object.storageClass)}</StorageClass>`
  );
}

export function prefixesXml(prefixes: readonly string[], key: KeyText): string {
  return prefixes.map((prefix) => `<CommonPrefixes><Prefix>${key(prefix)}</Prefix></CommonPrefixes>`).join('');
}
