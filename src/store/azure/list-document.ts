import { S3Error } from '../../s3/error.ts';
import { decodeUri } from '../../s3/uri.ts';
import { unescapeXml } from '../../s3/xml.ts';

/** One entry of a listing, as written. Names of fields are lower case. */
export interface ListedEntry {
  readonly name: string;
  /** It stands for all blobs whose names begin so. */
  readonly isPrefix: boolean;
  readonly properties: ReadonlyMap<string, string>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** A tag with its attributes and the text behind it. */
const TAG = /<(\/?)([A-Za-z_][\w.-]*)((?:\s[^<>]*?)?)(\/?)>([^<]*)/y;
const DECLARATION = /^\uFEFF?\s*(?:<\?xml[^?<>]*\?>)?\s*/;

/**
 * Reads a listing of blobs in one pass. A page has some twenty elements for each of a thousand blobs: a general parser
 * takes five times as long. What is not exactly such a document is refused.
 * @throws S3Error ServiceUnavailable
 */
export function readListing(text: string): { readonly entries: ListedEntry[]; readonly marker: string | undefined } {
  const entries: ListedEntry[] = [];
  const open: string[] = [];
  let marker: string | undefined;
  let entry = newEntry();
  /** The text and attributes of the element just opened; undefined once it has children. */
  let leaf: { readonly text: string; readonly attributes: string } | undefined;

  TAG.lastIndex = DECLARATION.exec(text)?.[0].length ?? 0;
  while (TAG.lastIndex < text.length) {
    const tag = TAG.exec(text);
    if (tag === null) throw malformed();
    const [, isEnd, name = '', attributes = '', isEmpty, content = ''] = tag;
    if (isEnd === '') {
      if (isEmpty !== '') continue;
      open.push(name);
      leaf = { text: content, attributes };
      if (name === 'Blob' || name === 'BlobPrefix') entry = newEntry();
      continue;
    }
    if (open.pop() !== name) throw malformed();
    const parent = open.at(-1);
    if (name === 'Blob' || name === 'BlobPrefix') {
      if (entry.name === '') throw malformed();
      entries.push({ ...entry, isPrefix: name === 'BlobPrefix' });
    } else if (leaf !== undefined) {
      const value = unescapeXml(leaf.text);
      if (value === undefined) throw malformed();
      if (parent === 'Properties') entry.properties.set(name.toLowerCase(), value);
      else if (parent === 'Metadata') entry.metadata.set(name.toLowerCase(), value);
      else if (name === 'Name') entry.name = nameOf(value, leaf.attributes);
      else if (name === 'NextMarker') marker = value === '' ? undefined : value;
    }
    leaf = undefined;
  }
  if (open.length > 0) throw malformed();
  return { entries, marker };
}

function newEntry() {
  return { name: '', properties: new Map<string, string>(), metadata: new Map<string, string>() };
}

/** What XML cannot hold comes percent-encoded. */
function nameOf(value: string, attributes: string): string {
  const name = /\bEncoded="true"/i.test(attributes) ? decodeUri(value) : value;
  if (name === undefined) throw malformed();
  return name;
}

function malformed(): S3Error {
  return new S3Error('ServiceUnavailable', { cause: new Error('Azure sent a listing that cannot be read') });
}
