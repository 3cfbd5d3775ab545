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

const TAG = /^<(\/?)([A-Za-z_][\w.-]*)((?:\s[^<>]*?)?)(\/?)>$/;
/** The mark of UTF-8, one byte a character, and the declaration. */
const DECLARATION = /^(?:\xEF\xBB\xBF)?\s*(?:<\?xml[^?<>]*\?>)?\s*/;
const BEYOND_ASCII = /[\x80-\xFF]/;

/** A tag as it was read once; the same few come again and again, and in the same order. */
interface Tag {
  /** As it stands in the document, with its brackets. */
  readonly raw: string;
  /** The one that came behind it the last time. */
  next?: Tag;
  readonly kind: 'start' | 'end' | 'empty';
  readonly name: string;
  /** Of the field that it is. */
  readonly lowerName: string;
  readonly isEncoded: boolean;
}

/**
 * Reads a listing of blobs in one pass over its bytes. A page has some forty tags for each of a thousand blobs: a general
 * parser takes five times as long. What is not exactly such a document is refused.
 * @param bytes UTF-8
 * @throws S3Error ServiceUnavailable
 */
export function readListing(bytes: Buffer): { readonly entries: ListedEntry[]; readonly marker: string | undefined } {
  // One byte a character: nothing is copied or decoded but what is looked at.
  const text = bytes.toString('latin1');
  const hasReferences = text.includes('&');
  const isAscii = !BEYOND_ASCII.test(text);
  const tags = new Map<string, Tag>();
  const entries: ListedEntry[] = [];
  const open: string[] = [];
  let marker: string | undefined;
  let entry = newEntry();
  /** Where the text of the element just opened lies; undefined once it has children. */
  let leaf: { readonly tag: Tag; readonly start: number; readonly end: number } | undefined;

  const textOf = ({ start, end }: { readonly start: number; readonly end: number }): string => {
    const raw = text.slice(start, end);
    const decoded = isAscii || !BEYOND_ASCII.test(raw) ? raw : Buffer.from(raw, 'latin1').toString();
    const value = hasReferences ? unescapeXml(decoded) : decoded;
    if (value === undefined) throw malformed();
    return value;
  };

  let at = DECLARATION.exec(text)?.[0].length ?? 0;
  let before: Tag | undefined;
  while (at < text.length) {
    let tag = before?.next;
    if (tag === undefined || !text.startsWith(tag.raw, at)) {
      const raw = text.slice(at, text.indexOf('>', at) + 1);
      tag = tags.get(raw) ?? readTag(raw);
      tags.set(raw, tag);
      if (before !== undefined) before.next = tag;
    }
    before = tag;
    const start = at + tag.raw.length;
    at = text.indexOf('<', start);
    if (at < 0) at = text.length;
    const { kind, name } = tag;
    if (kind === 'start') {
      open.push(name);
      leaf = { tag, start, end: at };
      if (name === 'Blob' || name === 'BlobPrefix') entry = newEntry();
    } else if (kind === 'end') {
      if (open.pop() !== name) throw malformed();
      const parent = open.at(-1);
      if (name === 'Blob' || name === 'BlobPrefix') {
        if (entry.name === '') throw malformed();
        entries.push({ ...entry, isPrefix: name === 'BlobPrefix' });
      } else if (leaf !== undefined) {
        if (parent === 'Properties') entry.properties.set(tag.lowerName, textOf(leaf));
        else if (parent === 'Metadata') entry.metadata.set(tag.lowerName, textOf(leaf));
        else if (name === 'Name') entry.name = nameOf(textOf(leaf), leaf.tag.isEncoded);
        else if (name === 'NextMarker') marker = textOf(leaf) || undefined;
        else if (hasReferences) textOf(leaf);
      }
      leaf = undefined;
    }
  }
  if (open.length > 0) throw malformed();
  return { entries, marker };
}

function readTag(raw: string): Tag {
  const [, isEnd, name = '', attributes = '', isEmpty] = TAG.exec(raw) ?? [];
  if (name === '') throw malformed();
  const kind = isEnd !== '' ? 'end' : isEmpty !== '' ? 'empty' : 'start';
  return { raw, kind, name, lowerName: name.toLowerCase(), isEncoded: /\bEncoded="true"/i.test(attributes) };
}

function newEntry() {
  return { name: '', properties: new Map<string, string>(), metadata: new Map<string, string>() };
}

/** What XML cannot hold comes percent-encoded. */
function nameOf(value: string, isEncoded: boolean): string {
  const name = isEncoded ? decodeUri(value) : value;
  if (name === undefined) throw malformed();
  return name;
}

function malformed(): S3Error {
  return new S3Error('ServiceUnavailable', { cause: new Error('Azure sent a listing that cannot be read') });
}
