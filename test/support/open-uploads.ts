import type { TidyStorage } from '../../src/cleanup/place.ts';
import { S3Error } from '../../src/s3/error.ts';
import type { Handler, S3Request, S3Response } from '../../src/s3/message.ts';
import { encodeKey } from '../../src/s3/uri.ts';
import { buildXml, type XmlNode } from '../../src/s3/xml.ts';

export interface KeptUpload {
  readonly bucket: string;
  readonly key: string;
  readonly id: string;
  /** As the storage writes it. */
  readonly initiated: string | undefined;
  /** When each part arrived, likewise. */
  readonly parts: readonly string[];
}

/** A storage with open uploads and objects, in pages of two, that insists on the upload which a page goes on from. */
export interface UploadKeeper {
  readonly uploads: KeptUpload[];
  /** `bucket/key` and when it was written. */
  readonly objects: Map<string, string>;
  readonly buckets: Map<string, string>;
  readonly seen: S3Request[];
  /** Goes before every answer. */
  before: (request: S3Request) => Promise<void> | void;
  readonly handler: Handler;
}

const PAGE = 2;

export function uploadKeeper(uploads: readonly KeptUpload[] = []): UploadKeeper {
  const keeper: UploadKeeper = {
    uploads: [...uploads],
    objects: new Map(),
    buckets: new Map(),
    seen: [],
    before: () => undefined,
    handler: async (request) => {
      keeper.seen.push(request);
      await keeper.before(request);
      request.signal.throwIfAborted();
      return answer(request, keeper);
    },
  };
  return keeper;
}

/** The keeper as a storage that may be tidied up at these places. */
export function tidy(
  keeper: UploadKeeper,
  places: readonly (readonly [bucket: string, prefix: string])[],
  more: Partial<TidyStorage> = {},
): TidyStorage {
  return {
    name: 'kept',
    address: 'http://kept.example',
    handler: keeper.handler,
    clock: () => new Date('2026-11-20T03:00:00Z'),
    pageSize: PAGE,
    isPartial: false,
    places: async () =>
      places.map(([bucket, prefix]) => ({
        bucket,
        prefix,
        hasProbes: true,
        isProbe: bucket.startsWith('sluice-check-'),
      })),
    ...more,
  };
}

function answer(request: S3Request, { uploads, objects, buckets }: UploadKeeper): S3Response {
  const { operation, bucket = '', key = '', query } = request;
  const id = query.get('uploadId');
  const upload = uploads.find((each) => each.bucket === bucket && each.key === key && each.id === id);
  const write = (text: string): string => encodeKey(text);
  switch (operation) {
    case 'ListBuckets':
      return document([
        'ListAllMyBucketsResult',
        [
          [
            'Buckets',
            [...buckets].map(
              ([name, created]): XmlNode => [
                'Bucket',
                [
                  ['Name', name],
                  ['CreationDate', created],
                ],
              ],
            ),
          ],
        ],
      ]);
    case 'ListMultipartUploads': {
      const prefix = query.get('prefix') ?? '';
      const found = uploads.filter((each) => each.bucket === bucket && each.key.startsWith(prefix));
      const from = after(found, query.get('key-marker'), query.get('upload-id-marker'));
      const limit = Math.min(PAGE, Number(query.get('max-uploads')));
      const page = found.slice(from, from + limit);
      const isTruncated = from + limit < found.length;
      const items = page.map(
        (each): XmlNode => [
          'Upload',
          [
            ['Key', write(each.key)],
            ['UploadId', each.id],
            ['Initiated', each.initiated],
          ],
        ],
      );
      return document([
        'ListMultipartUploadsResult',
        [
          ['EncodingType', 'url'],
          ['IsTruncated', isTruncated],
          ['NextKeyMarker', isTruncated ? write(page.at(-1)?.key ?? '') : undefined],
          ['NextUploadIdMarker', isTruncated ? page.at(-1)?.id : undefined],
          ...items,
        ],
      ]);
    }
    case 'ListParts': {
      if (upload === undefined) throw new S3Error('NoSuchUpload');
      const from = Number(query.get('part-number-marker') ?? 0);
      const items = upload.parts.slice(from, from + PAGE).map(
        (modified, index): XmlNode => [
          'Part',
          [
            ['PartNumber', from + index + 1],
            ['LastModified', modified],
          ],
        ],
      );
      return document([
        'ListPartsResult',
        [['IsTruncated', from + PAGE < upload.parts.length], ['NextPartNumberMarker', from + PAGE], ...items],
      ]);
    }
    case 'AbortMultipartUpload':
      if (upload === undefined) throw new S3Error('NoSuchUpload');
      uploads.splice(uploads.indexOf(upload), 1);
      return { status: 204, headers: new Map(), body: null };
    case 'ListObjectsV2': {
      const start = `${bucket}/${query.get('prefix') ?? ''}`;
      const items = [...objects]
        .filter(([name]) => name.startsWith(start))
        .map(
          ([name, modified]): XmlNode => [
            'Contents',
            [
              ['Key', write(name.slice(bucket.length + 1))],
              ['LastModified', modified],
            ],
          ],
        );
      return document(['ListBucketResult', [['EncodingType', 'url'], ['IsTruncated', false], ...items]]);
    }
    case 'DeleteObject':
      objects.delete(`${bucket}/${key}`);
      return { status: 204, headers: new Map(), body: null };
    case 'DeleteBucket':
      buckets.delete(bucket);
      return { status: 204, headers: new Map(), body: null };
    default:
      throw new S3Error('NotImplemented');
  }
}

function after(found: readonly KeptUpload[], key: string | undefined, id: string | undefined): number {
  if (key === undefined) return 0;
  const at = found.findIndex((each) => each.key === key && each.id === id);
  if (at < 0) throw new Error(`the list went on from ${key}, which is not there any more`);
  return at + 1;
}

function document(root: XmlNode): S3Response {
  return { status: 200, headers: new Map(), body: Buffer.from(buildXml(root)) };
}
