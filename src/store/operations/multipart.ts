import { parseConditions } from '../../s3/conditions.ts';
import { quoteEtag } from '../../s3/etag.ts';
import type { S3Request } from '../../s3/message.ts';
import { encodeKey } from '../../s3/uri.ts';
import type { XmlNode } from '../../s3/xml.ts';
import { parseAttributes, refuseUnsupported } from '../decode/attributes.ts';
import { parseChecksumMode } from '../decode/checksum.ts';
import { parseComplete } from '../decode/complete.ts';
import { copySourceOf } from '../decode/copy.ts';
import { parsePartNumber } from '../decode/parameters.ts';
import { checksumHeaders, checksumNodes, emptyAnswer, xmlAnswer, xmlDate } from '../encode/answer.ts';
import type { UploadPlace } from '../object-store.ts';
import { type Operations, placeOf, uploadPlaceOf } from '../operation.ts';
import { checkUploadSize } from './objects.ts';

/** Uploads in parts, but for their listings. */
export const multipartOperations = {
  async CreateMultipartUpload(request, { store }) {
    refuseUnsupported(request.headers);
    const place = placeOf(request);
    const checksum = parseChecksumMode(request.headers);
    const { uploadId } = await store.createMultipartUpload({ ...place, ...parseAttributes(request), checksum });
    const result: XmlNode = [
      'InitiateMultipartUploadResult',
      [
        ['Bucket', place.bucket],
        ['Key', place.key],
        ['UploadId', uploadId],
      ],
    ];
    return xmlAnswer(result, {
      'x-amz-checksum-algorithm': checksum?.algorithm,
      'x-amz-checksum-type': checksum?.type,
    });
  },

  async UploadPart(request, { store }) {
    refuseUnsupported(request.headers);
    checkUploadSize(request);
    const part = await store.uploadPart(
      {
        ...partPlaceOf(request),
        body: request.body,
        length: request.bodyLength,
        checksum: request.bodyChecksum,
        claims: request.bodyClaims,
      },
      request.signal,
    );
    const { 'x-amz-checksum-type': _type, ...checksum } = checksumHeaders(part.checksum);
    return emptyAnswer(200, { etag: quoteEtag(part.etag), ...checksum });
  },

  async UploadPartCopy(request, { store }) {
    refuseUnsupported(request.headers);
    const part = await store.uploadPartCopy(
      {
        ...partPlaceOf(request),
        source: copySourceOf(request.headers),
        sourceConditions: parseConditions(request.headers, 'x-amz-copy-source-'),
        sourceRange: request.headers.get('x-amz-copy-source-range'),
      },
      request.signal,
    );
    return xmlAnswer([
      'CopyPartResult',
      [
        ['LastModified', xmlDate(part.lastModified)],
        ['ETag', quoteEtag(part.etag)],
        ...checksumNodes(part.checksum).slice(0, 1),
      ],
    ]);
  },

  async CompleteMultipartUpload(request, { store }) {
    refuseUnsupported(request.headers);
    const input = await parseComplete(request);
    const written = await store.completeMultipartUpload(input, request.signal);
    return xmlAnswer([
      'CompleteMultipartUploadResult',
      [
        ['Location', locationOf(request)],
        ['Bucket', input.bucket],
        ['Key', input.key],
        ['ETag', quoteEtag(written.etag)],
        ...checksumNodes(written.checksum),
      ],
    ]);
  },

  async AbortMultipartUpload(request, { store }) {
    await store.abortMultipartUpload(uploadPlaceOf(request));
    return emptyAnswer(204);
  },
} satisfies Operations;

function partPlaceOf(request: S3Request): UploadPlace & { readonly partNumber: number } {
  return { ...uploadPlaceOf(request), partNumber: parsePartNumber(request.query.get('partNumber') ?? '') };
}

/** The object's URL as this client reached us. */
function locationOf({ scheme, headers, addressing, bucket = '', key = '' }: S3Request): string {
  const path = addressing === 'virtual' ? '' : `/${bucket}`;
  return `${scheme}://${headers.get('host') ?? ''}${path}/${encodeKey(key)}`;
}
