import { S3Error } from '../../s3/error.ts';
import type { S3Request } from '../../s3/message.ts';
import type { KnownOperation } from '../../s3/operation.ts';
import { codingOf, type TextCoding } from './text-coding.ts';

/** The listings that go in pages, and how each says where the next one begins. */
export const LISTINGS = {
  ListObjects: { limit: 'max-keys', from: 'marker', next: 'NextMarker' },
  ListObjectsV2: { limit: 'max-keys', from: 'continuation-token', next: 'NextContinuationToken' },
  ListObjectVersions: { limit: 'max-keys', from: 'key-marker', next: 'NextKeyMarker' },
  ListMultipartUploads: { limit: 'max-uploads', from: 'key-marker', next: 'NextKeyMarker' },
} as const satisfies Partial<Record<KnownOperation, object>>;

export type Listing = keyof typeof LISTINGS;

export function isListing(operation: string): operation is Listing {
  return Object.hasOwn(LISTINGS, operation);
}

/** What a page says of itself. */
export interface Page {
  readonly text: string;
  readonly coding: TextCoding;
  /** Where the next page begins: a decoded marker or a token; undefined on the last page. */
  readonly next: string | undefined;
  /** It has no entry at all. */
  readonly isEmpty: boolean;
}

/**
 * Reads a page, without parsing it. A page that promises more and does not say where, or goes back to where it began,
 * would send a client in circles: it is an error (facts R30).
 * @throws S3Error ServiceUnavailable
 */
export function readPage(request: S3Request, operation: Listing, text: string): Page {
  const coding = codingOf(text);
  const isEmpty = !/<(?:[\w.-]+:)?(?:Contents|CommonPrefixes|Version|DeleteMarker|Upload)[\s>]/.test(text);
  const isTruncated = /<(?:[\w.-]+:)?IsTruncated>\s*true\s*</i.test(text);
  if (!isTruncated) return { text, coding, next: undefined, isEmpty };
  const { from, next: element } = LISTINGS[operation];
  // Empty is as good as missing.
  const raw = elementText(text, element) || (operation === 'ListObjects' ? lastEntry(text, coding) : undefined);
  const next = raw === undefined ? undefined : operation === 'ListObjectsV2' ? raw : coding.decode(raw);
  if (next === undefined || next === '') throw endless('has more pages and no way to them');
  const began = request.query.get(from) ?? '';
  if (operation === 'ListObjects' && compareBytes(next, began) <= 0) throw endless('goes back to where it began');
  // Versions and uploads may have more pages of one key: their second marker moves on.
  if (operation === 'ListObjectsV2' && next === began) throw endless('gives the same token again');
  return { text, coding, next, isEmpty };
}

/** S3's order of keys. */
export function compareBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

/** The text of an element that stands once in a document; undefined when it is not there. */
export function elementText(text: string, name: string): string | undefined {
  return new RegExp(`<(?:[\\w.-]+:)?${name}>([^<]*)<`).exec(text)?.[1];
}

/** The last key or common prefix in S3's order, escaped as it stands: where a page ends that does not say. */
function lastEntry(text: string, coding: TextCoding): string | undefined {
  const key = textAfter(text, '<Key>', 0);
  const at = text.lastIndexOf('<CommonPrefixes>');
  const prefix = at < 0 ? undefined : textAfter(text, '<Prefix>', at);
  if (key === undefined || prefix === undefined) return key ?? prefix;
  return compareBytes(coding.decode(key) ?? '', coding.decode(prefix) ?? '') < 0 ? prefix : key;
}

function textAfter(text: string, tag: string, from: number): string | undefined {
  const start = text.lastIndexOf(tag);
  return start < from ? undefined : text.slice(start + tag.length, text.indexOf('<', start + 1));
}

function endless(how: string): S3Error {
  return new S3Error('ServiceUnavailable', { cause: new Error(`the storage's listing ${how}`) });
}
