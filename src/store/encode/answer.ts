import { checksumHeader } from '../../s3/checksum.ts';
import { type Headers, headersOf } from '../../s3/headers.ts';
import type { S3Response } from '../../s3/message.ts';
import { buildXml, type XmlNode } from '../../s3/xml.ts';
import type { Checksum } from '../object-store.ts';

/** An answer without a body. Headers without a value are left out. */
export function emptyAnswer(
  status: 200 | 204 | 307,
  headers: Readonly<Record<string, string | undefined>> = {},
): S3Response {
  const length = status === 204 ? {} : { 'content-length': '0' };
  return { status, headers: headersOf({ ...length, ...headers }), body: null };
}

/** 200 with a document in S3's namespace. */
export function xmlAnswer(root: XmlNode, headers: Readonly<Record<string, string | undefined>> = {}): S3Response {
  return documentAnswer(buildXml(root), headers);
}

/** 200 with a document that is already text. */
export function documentAnswer(
  document: string,
  headers: Readonly<Record<string, string | undefined>> = {},
): S3Response {
  const body = Buffer.from(document);
  const fields: Headers = headersOf({
    'content-type': 'application/xml',
    'content-length': String(body.byteLength),
    ...headers,
  });
  return { status: 200, headers: fields, body };
}

/** S3's dates in XML: ISO 8601 with milliseconds. */
export function xmlDate(date: Date): string {
  return date.toISOString();
}

/** Response headers that carry a checksum and its type. */
export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (checksum === undefined) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

/** Elements that carry a checksum and its type. */
export function checksumNodes(checksum: Checksum | undefined): XmlNode[] {
  if (checksum === undefined) return [];
  return [
    [`Checksum${checksum.algorithm}`, checksum.value],
    ['ChecksumType', checksum.type],
  ];
}
