import { S3Error } from '../../s3/error.ts';
import { Query } from '../../s3/query.ts';
import { childText, type XmlElement } from '../../s3/xml.ts';
import type { Tags } from '../object-store.ts';
import { invalidArgument } from './parameters.ts';

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html */
const MAX_TAGS = 10;
const MAX_NAME = 128;
const MAX_VALUE = 256;
const TEXT = /^[\p{L}\p{Z}\p{N}+\-=._:/@]*$/u;

/**
 * Reads `x-amz-tagging`: tags as a query string.
 * @throws S3Error InvalidArgument when a name comes twice, InvalidTag
 */
export function parseTagHeader(header: string | undefined): Tags {
  if (header === undefined || header === '') return [];
  const tags = Query.parse(header).parameters.map(({ name, value }) => [name, value] as const);
  if (new Set(tags.map(([name]) => name)).size < tags.length) {
    const message =
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
    throw invalidArgument('x-amz-tagging', header, message);
  }
  return checkTags(tags);
}

/** Reads a Tagging document. @throws S3Error MalformedXML, InvalidTag */
export function parseTagging(document: XmlElement): Tags {
  const [set, ...others] = document.children.filter((child) => child.name === 'TagSet');
  if (set === undefined || others.length > 0) throw new S3Error('MalformedXML');
  const tags = set.children.map((tag) => {
    const [name, value] = [childText(tag, 'Key'), childText(tag, 'Value')];
    if (tag.name !== 'Tag' || name === undefined || value === undefined) throw new S3Error('MalformedXML');
    return [name, value] as const;
  });
  return checkTags(tags);
}

function checkTags(tags: Tags): Tags {
  if (tags.length > MAX_TAGS) throw invalidTag('Object tags cannot be greater than 10');
  const names = new Set<string>();
  for (const [name, value] of tags) {
    if (name === '' || [...name].length > MAX_NAME || !TEXT.test(name) || name.startsWith('aws:')) {
      throw invalidTag('The TagKey you have provided is invalid', name);
    }
    if ([...value].length > MAX_VALUE || !TEXT.test(value)) {
      throw invalidTag('The TagValue you have provided is invalid', name);
    }
    if (names.has(name)) throw invalidTag('Cannot provide multiple Tags with the same key', name);
    names.add(name);
  }
  return tags;
}

function invalidTag(message: string, name?: string): S3Error {
  return new S3Error('InvalidTag', { message, ...(name !== undefined && { detail: { TagKey: name } }) });
}
