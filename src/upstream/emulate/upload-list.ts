import { LRUCache } from 'lru-cache';
import type { Layer, S3Request, S3Response } from '../../s3/message.ts';
import { unescapeXml, type XmlNode } from '../../s3/xml.ts';
import { answerXml, isUnsupported, noteEmulation, textOf, withText } from './ask.ts';
import { compareBytes, elementText } from './listing-page.ts';
import { PERCENT } from './text-coding.ts';

interface UploadUnderWay {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly initiated: string;
}

const REMEMBERED = 10_000;
const S3_PAGE = 1000;

/**
 * ListMultipartUploads where the service has none: the uploads that this process saw begin and not yet end, the last
 * 10,000 of them. Clients look there for an upload to go on with, and begin a new one when they find none.
 */
export function uploadList({ now }: { readonly now: () => Date }): Layer {
  const uploads = new LRUCache<string, UploadUnderWay>({ max: REMEMBERED });
  return (next) => async (request) => {
    const { operation, bucket = '', key = '', query } = request;
    switch (operation) {
      case 'CreateMultipartUpload': {
        const response = await next(request);
        const text = await textOf(response);
        const uploadId = unescapeXml(elementText(text, 'UploadId') ?? '');
        if (uploadId)
          uploads.set(`${bucket}/${key}\0${uploadId}`, { bucket, key, uploadId, initiated: now().toISOString() });
        return withText(response, text);
      }
      case 'CompleteMultipartUpload':
      case 'AbortMultipartUpload': {
        const response = await next(request);
        uploads.delete(`${bucket}/${key}\0${query.get('uploadId') ?? ''}`);
        return response;
      }
      case 'ListMultipartUploads':
        try {
          return await next(request);
        } catch (error) {
          if (!isUnsupported(error)) throw error;
          noteEmulation(request, 'list of uploads');
          return listing(request, [...uploads.values()]);
        }
      default:
        return next(request);
    }
  };
}

/** One page, as S3 writes it: by key, then by the time of beginning. */
function listing({ bucket = '', query }: S3Request, all: readonly UploadUnderWay[]): S3Response {
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const keyMarker = query.get('key-marker') ?? '';
  const idMarker = query.get('upload-id-marker') ?? '';
  const asked = query.get('max-uploads');
  const limit = Math.min(asked === undefined ? S3_PAGE : Number(asked), S3_PAGE);
  const isEncoded = query.get('encoding-type') === 'url';
  const write = (text: string): string => (isEncoded ? PERCENT.encode(text) : text);
  const sorted = all
    .filter((upload) => upload.bucket === bucket && upload.key.startsWith(prefix))
    .sort(
      (one, other) =>
        compareBytes(one.key, other.key) ||
        compareBytes(one.initiated + one.uploadId, other.initiated + other.uploadId),
    );
  const at = sorted.findIndex(({ key, uploadId }) => key === keyMarker && uploadId === idMarker);
  const rest =
    idMarker !== '' && at >= 0 ? sorted.slice(at + 1) : sorted.filter(({ key }) => compareBytes(key, keyMarker) > 0);
  const page: XmlNode[] = [];
  const groups = new Set<string>();
  let last: UploadUnderWay | undefined;
  let isTruncated = false;
  for (const upload of rest) {
    const cut = delimiter === '' ? -1 : upload.key.indexOf(delimiter, prefix.length);
    const group = cut < 0 ? undefined : upload.key.slice(0, cut + delimiter.length);
    const isNew = group === undefined || !groups.has(group);
    if (isNew && page.length >= limit) {
      isTruncated = true;
      break;
    }
    last = upload;
    if (!isNew) continue;
    if (group !== undefined) groups.add(group);
    page.push(group === undefined ? entry(upload, write) : ['CommonPrefixes', [['Prefix', write(group)]]]);
  }
  return answerXml([
    'ListMultipartUploadsResult',
    [
      ['Bucket', bucket],
      ['KeyMarker', write(keyMarker)],
      ['UploadIdMarker', idMarker],
      ['NextKeyMarker', isTruncated && last !== undefined ? write(last.key) : undefined],
      ['NextUploadIdMarker', isTruncated ? last?.uploadId : undefined],
      ['Prefix', write(prefix)],
      ['Delimiter', delimiter === '' ? undefined : write(delimiter)],
      ['EncodingType', isEncoded ? 'url' : undefined],
      ['MaxUploads', limit],
      ['IsTruncated', isTruncated],
      ...page,
    ],
  ]);
}

function entry({ key, uploadId, initiated }: UploadUnderWay, write: (text: string) => string): XmlNode {
  return [
    'Upload',
    [
      ['Key', write(key)],
      ['UploadId', uploadId],
      ['Initiated', initiated],
      ['StorageClass', 'STANDARD'],
    ],
  ];
}
