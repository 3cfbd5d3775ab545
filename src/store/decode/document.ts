import { readBody } from '../../s3/body.ts';
import { S3Error } from '../../s3/error.ts';
import type { S3Request } from '../../s3/message.ts';
import { MAX_XML_BYTES, parseXml, type XmlElement } from '../../s3/xml.ts';

/**
 * Reads a request's document to its end, so that its digests have been verified.
 * @throws S3Error MissingRequestBodyError, MaxMessageLengthExceeded, MalformedXML, or what the body fails with
 */
export async function readXml(request: S3Request, root: string, limit = MAX_XML_BYTES): Promise<XmlElement> {
  const bytes = await readBody(request.body, limit, 'MaxMessageLengthExceeded');
  if (bytes.byteLength === 0) throw new S3Error('MissingRequestBodyError');
  return parseXml(bytes, root);
}
