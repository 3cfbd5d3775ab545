import { Readable } from 'node:stream';
import { S3Error } from '../../s3/error.ts';
import type { S3Request } from '../../s3/message.ts';
import { MAX_XML_BYTES, parseXml, type XmlElement } from '../../s3/xml.ts';

/**
 * Reads a request's document to its end, so that its digests have been verified.
 * @throws S3Error MissingRequestBodyError, MaxMessageLengthExceeded, MalformedXML, or what the body fails with
 */
export async function readXml(request: S3Request, root: string, limit = MAX_XML_BYTES): Promise<XmlElement> {
  const bytes = await readBody(request, limit);
  if (bytes.byteLength === 0) throw new S3Error('MissingRequestBodyError');
  return parseXml(bytes, root);
}

/** The whole body, which may be empty. @throws S3Error MaxMessageLengthExceeded */
export async function readBody(request: S3Request, limit = MAX_XML_BYTES): Promise<Uint8Array> {
  const { body } = request;
  if (body === null) return new Uint8Array();
  if (!(body instanceof Readable)) {
    if (body.byteLength > limit) throw tooLong(limit);
    return body;
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > limit) throw tooLong(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLong(limit: number): S3Error {
  return new S3Error('MaxMessageLengthExceeded', { detail: { MaxMessageLengthBytes: String(limit) } });
}
