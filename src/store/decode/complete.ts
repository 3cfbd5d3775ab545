import { S3Error } from '../../s3/error.ts';
import { unquoteEtag } from '../../s3/etag.ts';
import type { S3Request } from '../../s3/message.ts';
import { childText, type XmlElement } from '../../s3/xml.ts';
import type { CompleteMultipartUploadInput } from '../object-store.ts';
import { uploadPlaceOf } from '../operation.ts';
import { parseExpectedChecksum, parsePartChecksum } from './checksum.ts';
import { parseWriteConditions } from './conditions.ts';
import { readXml } from './document.ts';
import { parseCount, parsePartNumber } from './parameters.ts';

/** 10,000 parts, each with its checksum, take about 1.5 MiB; more when written with blanks. */
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
const MAX_PARTS = 10_000;

/** @throws S3Error MalformedXML, InvalidPartOrder, InvalidArgument, InvalidRequest */
export async function parseComplete(request: S3Request): Promise<CompleteMultipartUploadInput> {
  const { headers } = request;
  const place = uploadPlaceOf(request);
  const conditions = parseWriteConditions(headers);
  const document = await readXml(request, 'CompleteMultipartUpload', MAX_DOCUMENT_BYTES);
  const size = headers.get('x-amz-mp-object-size');
  return {
    ...place,
    parts: parseParts(document),
    conditions,
    expectedChecksum: parseExpectedChecksum(headers),
    expectedSize: size === undefined ? undefined : parseSize(size),
  };
}

function parseParts(document: XmlElement): CompleteMultipartUploadInput['parts'] {
  const elements = document.children.filter((child) => child.name === 'Part');
  if (elements.length === 0 || elements.length > MAX_PARTS) throw new S3Error('MalformedXML');
  const parts = elements.map((part) => {
    const [number, etag] = [childText(part, 'PartNumber'), childText(part, 'ETag')];
    if (number === undefined || etag === undefined) throw new S3Error('MalformedXML');
    return {
      partNumber: parsePartNumber(number.trim()),
      etag: unquoteEtag(etag.trim()).toLowerCase(),
      checksum: parsePartChecksum(part),
    };
  });
  let previous = 0;
  for (const { partNumber } of parts) {
    if (partNumber <= previous) throw new S3Error('InvalidPartOrder');
    previous = partNumber;
  }
  return parts;
}

function parseSize(text: string): number {
  const size = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(size)) return size;
  // parseCount would refuse what is beyond 32 bits; it words the error.
  return parseCount('x-amz-mp-object-size', text, 0);
}
