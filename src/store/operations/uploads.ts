import { quoteEtag } from '../../s3/etag.ts';
import { escapeXml, S3_NAMESPACE } from '../../s3/xml.ts';
import { parseCount, parseEncodingType, parsePageSize } from '../decode/parameters.ts';
import { documentAnswer, xmlDate } from '../encode/answer.ts';
import { element, keyText, OWNER_XML, prefixesXml } from '../encode/listing.ts';
import type { Checksum, ListedPart } from '../object-store.ts';
import { bucketOf, type Operations, uploadPlaceOf } from '../operation.ts';

const INITIATOR_XML = '<Initiator><ID>sluice</ID><DisplayName>sluice</DisplayName></Initiator>';

/** Listings of uploads and of their parts. */
export const uploadListingOperations = {
  async ListMultipartUploads({ query, ...request }, { store }) {
    const bucket = bucketOf({ ...request, query });
    const isEncoded = parseEncodingType(query);
    const key = keyText(isEncoded);
    const text = (name: string): string => query.get(name) ?? '';
    const [prefix, delimiter, keyMarker] = [text('prefix'), text('delimiter'), text('key-marker')];
    // Without a key marker, S3 takes no notice of it.
    const uploadIdMarker = keyMarker === '' ? '' : text('upload-id-marker');
    const limit = parsePageSize(query, 'max-uploads');
    const marker = { afterKey: keyMarker, afterUploadId: uploadIdMarker };
    const { uploads, commonPrefixes, next } = await store.listMultipartUploads({
      bucket,
      prefix,
      delimiter,
      ...marker,
      limit,
    });
    return listAnswer('ListMultipartUploadsResult', [
      element('Bucket', escapeXml(bucket)),
      element('KeyMarker', key(keyMarker)),
      element('UploadIdMarker', escapeXml(uploadIdMarker)),
      element('NextKeyMarker', next && key(next.key)),
      element('NextUploadIdMarker', next && escapeXml(next.uploadId)),
      element('Prefix', key(prefix)),
      element('Delimiter', delimiter === '' ? undefined : key(delimiter)),
      element('EncodingType', isEncoded ? 'url' : undefined),
      element('MaxUploads', limit),
      element('IsTruncated', next !== undefined),
      ...uploads.map(
        (upload) =>
          `<Upload>${element('Key', key(upload.key))}${element('UploadId', escapeXml(upload.uploadId))}` +
          `${INITIATOR_XML}${OWNER_XML}${element('StorageClass', escapeXml(upload.storageClass))}` +
          `${element('Initiated', xmlDate(upload.initiated))}${modeXml(upload.checksum)}</Upload>`,
      ),
      prefixesXml(commonPrefixes, key),
    ]);
  },

  async ListParts(request, { store }) {
    const { query } = request;
    const place = uploadPlaceOf(request);
    const after = parseCount('part-number-marker', query.get('part-number-marker'), 0);
    const limit = parsePageSize(query, 'max-parts');
    const { parts, next, storageClass, checksum } = await store.listParts({ ...place, after, limit });
    return listAnswer('ListPartsResult', [
      element('Bucket', escapeXml(place.bucket)),
      element('Key', escapeXml(place.key)),
      element('UploadId', escapeXml(place.uploadId)),
      INITIATOR_XML,
      OWNER_XML,
      element('StorageClass', escapeXml(storageClass)),
      element('PartNumberMarker', after),
      element('NextPartNumberMarker', next ?? parts.at(-1)?.partNumber ?? after),
      element('MaxParts', limit),
      element('IsTruncated', next !== undefined),
      modeXml(checksum),
      ...parts.map(partXml),
    ]);
  },
} satisfies Operations;

function partXml(part: ListedPart): string {
  const { checksum } = part;
  return (
    `<Part><PartNumber>${part.partNumber}</PartNumber><LastModified>${xmlDate(part.lastModified)}</LastModified>` +
    `<ETag>${escapeXml(quoteEtag(part.etag))}</ETag><Size>${part.size}</Size>` +
    `${checksum === undefined ? '' : element(`Checksum${checksum.algorithm}`, checksum.value)}</Part>`
  );
}

function modeXml(mode: Pick<Checksum, 'algorithm' | 'type'> | undefined): string {
  return mode === undefined ? '' : element('ChecksumAlgorithm', mode.algorithm) + element('ChecksumType', mode.type);
}

function listAnswer(root: string, elements: readonly string[]) {
  const inner = elements.join('');
  return documentAnswer(`<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="${S3_NAMESPACE}">${inner}</${root}>`);
}
