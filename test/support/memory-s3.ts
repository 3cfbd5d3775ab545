import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Body, Handler, S3Request, S3Response } from '../../src/s3/message.ts';
import { decodeUri, encodeKey } from '../../src/s3/uri.ts';
import { buildPlainXml, buildXml, childText, parseXml, type XmlNode } from '../../src/s3/xml.ts';

/** Texts that no client may ever see: they stand in headers and documents of every answer. */
export const CANARY = 'canary';

export interface MemoryS3 {
  readonly handler: Handler;
  /** Every request that arrived, in order. */
  readonly seen: S3Request[];
  /** Bucket to key to bytes. */
  readonly buckets: Map<string, Map<string, StoredObject>>;
  put(bucket: string, key: string, text?: string): void;
}

export interface StoredObject {
  readonly bytes: Buffer;
  readonly headers: ReadonlyMap<string, string>;
}

/** An S3 server in memory that says far too much of itself, as vendors do. */
export function memoryS3(name: string, bucketNames: readonly string[] = []): MemoryS3 {
  const buckets = new Map<string, Map<string, StoredObject>>(bucketNames.map((bucket) => [bucket, new Map()]));
  const uploads = new Map<string, { bucket: string; key: string; parts: Map<number, Buffer> }>();
  const seen: S3Request[] = [];
  const host = `${CANARY}-host-${name}.vendor.example`;
  const owner: XmlNode = [
    'Owner',
    [
      ['ID', `${CANARY}-owner-${name}`],
      ['DisplayName', `${CANARY}-owner-${name}`],
    ],
  ];
  const common = {
    server: `${CANARY}-server`,
    'x-amz-id-2': `${CANARY}-id`,
    'x-oss-server-time': `${CANARY}-time`,
    'x-amz-bucket-region': `${CANARY}-region`,
    link: `<https://${host}/>`,
  };
  const answer = (status: number, body: Body, headers: Readonly<Record<string, string>> = {}): S3Response => ({
    status,
    headers: new Map(Object.entries({ ...common, ...headers })),
    body,
  });
  const document = (root: XmlNode, headers: Readonly<Record<string, string>> = {}): S3Response => {
    const text = buildXml(root).replace(/xmlns="[^"]*"/, `xmlns="http://${host}/doc/"`);
    return answer(200, Readable.from([Buffer.from(text)]), { 'content-type': 'application/xml', ...headers });
  };
  const failure = (status: number, code: string, request: S3Request): S3Response => {
    const detail: XmlNode[] = [
      ['Code', code],
      ['Message', `${CANARY}: no ${request.bucket}/${request.key} on ${host}`],
      ['BucketName', request.bucket],
      ['Key', request.key],
      ['Resource', `/${request.bucket}/${request.key}`],
      ['Endpoint', host],
      ['HostId', `${CANARY}-host-id`],
    ];
    return answer(status, Buffer.from(buildPlainXml(['Error', detail])), { 'content-type': 'application/xml' });
  };

  const list = (request: S3Request, objects: Map<string, StoredObject>): S3Response => {
    const { query, operation } = request;
    const isUploads = operation === 'ListMultipartUploads';
    const isV2 = operation === 'ListObjectsV2';
    const prefix = query.get('prefix') ?? '';
    const delimiter = query.get('delimiter') ?? '';
    const token = query.get('continuation-token');
    const marker = isV2
      ? token === undefined
        ? (query.get('start-after') ?? '')
        : Buffer.from(token.slice(4), 'base64').toString()
      : (query.get(operation === 'ListObjects' ? 'marker' : 'key-marker') ?? '');
    const limit = Number(query.get(isUploads ? 'max-uploads' : 'max-keys') ?? 1000);
    const write =
      query.get('encoding-type') === 'url' ? (text: string) => encodeKey(text).replaceAll('%20', '+') : String;
    const names = isUploads
      ? [...uploads].filter(([, upload]) => upload.bucket === request.bucket).map(([, upload]) => upload.key)
      : [...objects.keys()];
    const sorted = [...new Set(names)].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    const entries: [kind: 'key' | 'prefix', name: string][] = [];
    let isTruncated = false;
    for (const key of sorted) {
      if (!key.startsWith(prefix)) continue;
      const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      const name = cut < 0 ? key : key.slice(0, cut + delimiter.length);
      if (Buffer.compare(Buffer.from(name), Buffer.from(marker)) <= 0 || entries.at(-1)?.[1] === name) continue;
      if (entries.length === limit) {
        isTruncated = true;
        break;
      }
      entries.push([cut < 0 ? 'key' : 'prefix', name]);
    }
    const last = isTruncated ? entries.at(-1)?.[1] : undefined;
    const uploadsOf = (key: string) => [...uploads].filter(([, upload]) => upload.key === key).map(([id]) => id);
    const head: XmlNode[] = [
      [isUploads ? 'Bucket' : 'Name', request.bucket],
      ['Prefix', write(prefix)],
      ['Delimiter', delimiter === '' ? undefined : write(delimiter)],
      ['EncodingType', query.get('encoding-type')],
      ['IsTruncated', isTruncated],
      ['VendorExtra', `${CANARY}-extra`],
    ];
    const marks: Readonly<Record<string, XmlNode[]>> = {
      ListObjects: [
        ['Marker', write(marker)],
        ['NextMarker', last && write(last)],
      ],
      ListObjectsV2: [
        ['KeyCount', entries.length],
        ['StartAfter', query.has('start-after') ? write(marker) : undefined],
        ['ContinuationToken', token],
        ['NextContinuationToken', last && `tok/${Buffer.from(last).toString('base64')}`],
      ],
      ListObjectVersions: [
        ['KeyMarker', write(marker)],
        ['VersionIdMarker', ''],
        ['NextKeyMarker', last && write(last)],
      ],
      ListMultipartUploads: [
        ['KeyMarker', write(marker)],
        ['UploadIdMarker', query.get('upload-id-marker') ?? ''],
        ['NextKeyMarker', last && write(last)],
        ['NextUploadIdMarker', last && uploadsOf(last).at(-1)],
      ],
    };
    const items = entries.flatMap(([kind, entryName]): XmlNode[] => {
      if (kind === 'prefix') return [['CommonPrefixes', [['Prefix', write(entryName)]]]];
      if (isUploads) {
        return uploadsOf(entryName).map(
          (id): XmlNode => ['Upload', [['Key', write(entryName)], ['UploadId', id], owner]],
        );
      }
      const item = operation === 'ListObjectVersions' ? 'Version' : 'Contents';
      const size = objects.get(entryName)?.bytes.length ?? 0;
      return [[item, [['Key', write(entryName)], ['ETag', '"e"'], ['Size', size], owner]]];
    });
    const root = { ListMultipartUploads: 'ListMultipartUploadsResult', ListObjectVersions: 'ListVersionsResult' }[
      operation as string
    ];
    return document([root ?? 'ListBucketResult', [...head, ...(marks[operation] ?? []), ...items]]);
  };

  const respond = async (request: S3Request): Promise<S3Response> => {
    const { operation, bucket = '', key = '', query } = request;
    if (operation === 'ListBuckets') {
      const all = [...buckets.keys()].map(
        (each): XmlNode => [
          'Bucket',
          [
            ['Name', each],
            ['CreationDate', '2020-01-01T00:00:00.000Z'],
          ],
        ],
      );
      return document(['ListAllMyBucketsResult', [owner, ['Buckets', all]]]);
    }
    if (operation === 'CreateBucket') {
      buckets.set(bucket, new Map());
      return answer(200, null, { location: `http://${bucket}.${host}/` });
    }
    const objects = buckets.get(bucket);
    if (objects === undefined) return failure(404, 'NoSuchBucket', request);
    const upload = uploads.get(query.get('uploadId') ?? '');
    if (query.has('uploadId') && (upload?.bucket !== bucket || upload.key !== key))
      return failure(404, 'NoSuchUpload', request);
    const result = (root: string, nodes: XmlNode[]) => document([root, nodes]);
    switch (operation) {
      case 'ListObjects':
      case 'ListObjectsV2':
      case 'ListObjectVersions':
      case 'ListMultipartUploads':
        return list(request, objects);
      case 'HeadBucket':
        return answer(200, null);
      case 'GetBucketLocation':
        return document(['LocationConstraint', `${CANARY}-region`]);
      case 'GetBucketAcl':
      case 'GetObjectAcl':
        return document(['AccessControlPolicy', [owner]]);
      case 'DeleteBucket':
        buckets.delete(bucket);
        return answer(204, null);
      case 'PutObject': {
        const bytes = await bytesOf(request.body);
        const headers = new Map([...request.headers].filter(([name]) => /^(content-type|x-amz-meta-.*)$/.test(name)));
        objects.set(key, { bytes, headers });
        return answer(200, null, { etag: `"${md5(bytes)}"` });
      }
      case 'GetObject':
      case 'HeadObject': {
        const found = objects.get(key);
        if (found === undefined) return failure(404, 'NoSuchKey', request);
        const length = { 'content-length': String(found.bytes.length), etag: `"${md5(found.bytes)}"` };
        const body = operation === 'HeadObject' ? null : Readable.from([found.bytes]);
        return answer(200, body, { ...Object.fromEntries(found.headers), ...length });
      }
      case 'DeleteObject':
        objects.delete(key);
        return answer(204, null);
      case 'DeleteObjects': {
        const root = parseXml(await bytesOf(request.body), 'Delete');
        const isQuiet = childText(root, 'Quiet') === 'true';
        const keys = root.children
          .filter((child) => child.name === 'Object')
          .map((child) => childText(child, 'Key') ?? '');
        for (const each of keys) objects.delete(each);
        return result('DeleteResult', isQuiet ? [] : keys.map((each): XmlNode => ['Deleted', [['Key', each]]]));
      }
      case 'CopyObject':
      case 'UploadPartCopy': {
        const source = /^\/([^/]+)\/(.*)$/s.exec(decodeUri(request.headers.get('x-amz-copy-source') ?? '') ?? '');
        const found = buckets.get(source?.[1] ?? '')?.get(source?.[2] ?? '');
        if (found === undefined) return failure(404, 'NoSuchKey', request);
        if (upload !== undefined) upload.parts.set(Number(query.get('partNumber')), found.bytes);
        else objects.set(key, found);
        const root = operation === 'CopyObject' ? 'CopyObjectResult' : 'CopyPartResult';
        return result(root, [
          ['ETag', '"copied"'],
          ['VendorExtra', `${CANARY}-extra`],
        ]);
      }
      case 'CreateMultipartUpload': {
        const id = `${CANARY}/${uploads.size}|${key}`;
        uploads.set(id, { bucket, key, parts: new Map() });
        return result('InitiateMultipartUploadResult', [
          ['Bucket', bucket],
          ['Key', key],
          ['UploadId', id],
        ]);
      }
      case 'UploadPart': {
        const bytes = await bytesOf(request.body);
        upload?.parts.set(Number(query.get('partNumber')), bytes);
        return answer(200, null, { etag: `"${md5(bytes)}"` });
      }
      case 'ListParts': {
        const parts = [...(upload?.parts ?? [])].map(
          ([number]): XmlNode => [
            'Part',
            [
              ['PartNumber', number],
              ['ETag', '"p"'],
            ],
          ],
        );
        return result('ListPartsResult', [
          ['Bucket', bucket],
          ['Key', key],
          ['UploadId', query.get('uploadId')],
          owner,
          ...parts,
        ]);
      }
      case 'AbortMultipartUpload':
        uploads.delete(query.get('uploadId') ?? '');
        return answer(204, null);
      case 'CompleteMultipartUpload':
        objects.set(key, { bytes: Buffer.concat([...(upload?.parts.values() ?? [])]), headers: new Map() });
        uploads.delete(query.get('uploadId') ?? '');
        return result('CompleteMultipartUploadResult', [
          ['Location', `http://${bucket}.${host}/${key}`],
          ['Bucket', bucket],
          ['Key', key],
          ['ETag', '"whole-1"'],
        ]);
      default:
        return failure(501, 'NotImplemented', request);
    }
  };

  return {
    buckets,
    seen,
    handler: (request) => {
      seen.push(request);
      return respond(request);
    },
    put: (bucket, key, text = key) => {
      const objects = buckets.get(bucket) ?? new Map<string, StoredObject>();
      buckets.set(bucket, objects.set(key, { bytes: Buffer.from(text), headers: new Map() }));
    },
  };
}

async function bytesOf(body: Body): Promise<Buffer> {
  if (body === null) return Buffer.alloc(0);
  return body instanceof Readable ? buffer(body) : Buffer.from(body);
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}
