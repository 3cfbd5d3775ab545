import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { readBody } from '../../src/s3/body.ts';
import { S3Error, type S3ErrorCode } from '../../src/s3/error.ts';
import { unquoteEtag } from '../../src/s3/etag.ts';
import type { Handler, S3Request, S3Response } from '../../src/s3/message.ts';
import { decodeUri } from '../../src/s3/uri.ts';
import { buildXml, childText, parseXml, type XmlNode } from '../../src/s3/xml.ts';

export interface NarrowOptions {
  /** Bytes it takes in one PutObject, and copies at once. */
  readonly maxObject?: number;
  readonly maxDeleteKeys?: number;
  readonly maxKeys?: number;
  /** Its ETag for these bytes; lower-case MD5 by default. */
  readonly etagOf?: (bytes: Buffer) => string;
  /** Names the NextMarker of a page that has no delimiter. */
  readonly hasNextMarker?: boolean;
  /** Refuses, or answers by itself, what it would have taken. */
  readonly instead?: (request: S3Request) => S3ErrorCode | S3Response | undefined;
}

export interface NarrowObject {
  readonly bytes: Buffer;
  readonly headers: ReadonlyMap<string, string>;
  readonly etag: string;
}

/** An S3 service in memory that does little at once, and V1 listings only. */
export interface NarrowService {
  readonly handler: Handler;
  readonly objects: Map<string, NarrowObject>;
  /** Uploads that are neither completed nor aborted. */
  readonly uploads: Map<
    string,
    { key: string; headers: ReadonlyMap<string, string>; parts: Map<number, NarrowObject> }
  >;
  /** Operations in the order they came. */
  readonly seen: S3Request[];
  /** Most bytes of request bodies in memory at a time. */
  mostBytes(): number;
}

export function narrowService(options: NarrowOptions = {}): NarrowService {
  const { maxObject = Infinity, maxDeleteKeys = 1000, maxKeys = 1000, etagOf = md5 } = options;
  const objects: NarrowService['objects'] = new Map();
  const uploads: NarrowService['uploads'] = new Map();
  const seen: S3Request[] = [];
  let held = 0;
  let most = 0;
  let count = 0;

  const reply = (headers: Readonly<Record<string, string>> = {}, body: S3Response['body'] = null): S3Response => ({
    status: 200,
    headers: new Map(
      Object.entries({ 'content-length': String(body instanceof Uint8Array ? body.length : 0), ...headers }),
    ),
    body,
  });
  const xml = (root: XmlNode): S3Response => reply({ 'content-type': 'application/xml' }, Buffer.from(buildXml(root)));
  const store = (bytes: Buffer, headers: ReadonlyMap<string, string>): NarrowObject => ({
    bytes,
    headers: new Map([...headers].filter(([name]) => /^(content-type|x-amz-meta-.*|x-amz-storage-class)$/.test(name))),
    etag: etagOf(bytes),
  });
  const find = (key: string | undefined): NarrowObject => {
    const found = objects.get(key ?? '');
    if (found === undefined) throw new S3Error('NoSuchKey');
    return found;
  };
  const check = (object: NarrowObject | undefined, { headers }: S3Request, prefix = ''): void => {
    const match = headers.get(`${prefix}if-match`);
    if (match !== undefined && unquoteEtag(match) !== object?.etag) throw new S3Error('PreconditionFailed');
    const none = headers.get(`${prefix}if-none-match`);
    if (none !== undefined && object !== undefined && (none === '*' || unquoteEtag(none) === object.etag)) {
      throw new S3Error('PreconditionFailed');
    }
  };
  const source = (request: S3Request): NarrowObject => {
    const object = find(/^\/[^/]+\/(.*)$/s.exec(decodeUri(request.headers.get('x-amz-copy-source') ?? '') ?? '')?.[1]);
    check(object, request, 'x-amz-copy-source-');
    return object;
  };
  const slice = ({ bytes }: NarrowObject, range: string | undefined): Buffer => {
    const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? '');
    return match === null ? bytes : bytes.subarray(Number(match[1]), Number(match[2]) + 1);
  };
  const upload = ({ query }: S3Request) => {
    const found = uploads.get(query.get('uploadId') ?? '');
    if (found === undefined) throw new S3Error('NoSuchUpload');
    return found;
  };

  async function respond(request: S3Request): Promise<S3Response> {
    const { operation, key = '', query, headers } = request;
    held += request.body instanceof Uint8Array ? request.body.length : 0;
    most = Math.max(most, held);
    const received = Buffer.from(await readBody(request.body, maxObject, 'EntityTooLarge'));
    held -= request.body instanceof Uint8Array ? request.body.length : 0;
    switch (operation) {
      case 'PutObject': {
        check(objects.get(key), request);
        const object = store(received, headers);
        objects.set(key, object);
        return reply({ etag: `"${object.etag}"` });
      }
      case 'GetObject':
      case 'HeadObject': {
        const object = find(key);
        check(object, request);
        const bytes = slice(object, headers.get('range'));
        const said = { ...Object.fromEntries(object.headers), etag: `"${object.etag}"` };
        const length = { 'content-length': String(bytes.length) };
        const answer = reply({ ...said, ...length }, operation === 'HeadObject' ? null : Readable.from([bytes]));
        return bytes === object.bytes ? answer : { ...answer, status: 206 };
      }
      case 'HeadBucket':
        return reply();
      case 'DeleteObject':
        objects.delete(key);
        return { ...reply(), status: 204 };
      case 'DeleteObjects': {
        const keys = parseXml(received, 'Delete').children.flatMap((child) => childText(child, 'Key') ?? []);
        if (keys.length > maxDeleteKeys) throw new S3Error('InternalError');
        for (const each of keys) objects.delete(each);
        return xml(['DeleteResult', keys.map((each): XmlNode => ['Deleted', [['Key', each]]])]);
      }
      case 'CopyObject': {
        const object = source(request);
        if (object.bytes.length > maxObject) throw new S3Error('InvalidRequest');
        const isReplaced = headers.get('x-amz-metadata-directive') === 'REPLACE';
        const copy = store(object.bytes, isReplaced ? headers : object.headers);
        objects.set(key, copy);
        return xml(['CopyObjectResult', [['ETag', `"${copy.etag}"`]]]);
      }
      case 'CreateMultipartUpload':
        uploads.set(`upload-${++count}`, { key, headers, parts: new Map() });
        return xml(['InitiateMultipartUploadResult', [['UploadId', `upload-${count}`]]]);
      case 'UploadPart':
      case 'UploadPartCopy': {
        const { parts } = upload(request);
        const isCopy = operation === 'UploadPartCopy';
        const bytes = isCopy ? slice(source(request), headers.get('x-amz-copy-source-range')) : received;
        if (bytes.length > maxObject) throw new S3Error('EntityTooLarge');
        const part = store(Buffer.from(bytes), new Map());
        parts.set(Number(query.get('partNumber')), part);
        return isCopy ? xml(['CopyPartResult', [['ETag', `"${part.etag}"`]]]) : reply({ etag: `"${part.etag}"` });
      }
      case 'ListParts': {
        const from = Number(query.get('part-number-marker') ?? 0);
        const all = [...upload(request).parts].filter(([number]) => number > from).sort(([a], [b]) => a - b);
        const page = all.slice(0, 2);
        const isTruncated = all.length > page.length;
        return xml([
          'ListPartsResult',
          [
            ['IsTruncated', isTruncated],
            ['NextPartNumberMarker', isTruncated ? page.at(-1)?.[0] : undefined],
            ...page.map(
              ([number, { etag }]): XmlNode => [
                'Part',
                [
                  ['PartNumber', number],
                  ['ETag', `"${etag}"`],
                ],
              ],
            ),
          ],
        ]);
      }
      case 'AbortMultipartUpload':
        upload(request);
        uploads.delete(query.get('uploadId') ?? '');
        return { ...reply(), status: 204 };
      case 'CompleteMultipartUpload': {
        const { parts, headers: made } = upload(request);
        check(objects.get(key), request);
        const named = parseXml(received, 'CompleteMultipartUpload').children.map((part) => {
          const found = parts.get(Number(childText(part, 'PartNumber')));
          if (found?.etag !== unquoteEtag(childText(part, 'ETag') ?? '')) throw new S3Error('InvalidPart');
          return found;
        });
        const whole = store(Buffer.concat(named.map(({ bytes }) => bytes)), made);
        const hash = createHash('md5');
        for (const { bytes } of named) hash.update(md5(bytes), 'hex');
        const etag = etagOf === md5 ? `${hash.digest('hex')}-${named.length}` : `${whole.etag}-${named.length}`;
        objects.set(key, { ...whole, etag });
        uploads.delete(query.get('uploadId') ?? '');
        return xml(['CompleteMultipartUploadResult', [['ETag', `"${etag}"`]]]);
      }
      case 'ListObjects':
        return xml(['ListBucketResult', list(request)]);
      default:
        throw new S3Error('NotImplemented');
    }
  }

  function list({ query }: S3Request): XmlNode[] {
    const prefix = query.get('prefix') ?? '';
    const delimiter = query.get('delimiter') ?? '';
    const marker = query.get('marker') ?? '';
    const limit = Math.min(Number(query.get('max-keys') ?? maxKeys), maxKeys);
    const names = new Map<string, string | undefined>();
    for (const key of objects.keys()) {
      if (!key.startsWith(prefix)) continue;
      const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      names.set(cut < 0 ? key : key.slice(0, cut + delimiter.length), cut < 0 ? key : undefined);
    }
    const rest = [...names].filter(([name]) => bytewise(name, marker) > 0).sort(([a], [b]) => bytewise(a, b));
    const page = rest.slice(0, limit);
    const isTruncated = rest.length > page.length;
    return [
      ['Name', 'bucket'],
      ['Prefix', prefix],
      ['Marker', marker],
      ['NextMarker', isTruncated && options.hasNextMarker !== false ? page.at(-1)?.[0] : undefined],
      ['MaxKeys', limit],
      ['IsTruncated', isTruncated],
      ...page.map(
        ([name, key]): XmlNode =>
          key === undefined
            ? ['CommonPrefixes', [['Prefix', name]]]
            : [
                'Contents',
                [
                  ['Key', key],
                  ['ETag', `"${objects.get(key)?.etag}"`],
                  ['Owner', [['ID', 'account']]],
                ],
              ],
      ),
    ];
  }

  return {
    objects,
    uploads,
    seen,
    mostBytes: () => most,
    async handler(request) {
      seen.push(request);
      const instead = options.instead?.(request);
      if (typeof instead === 'string') {
        await readBody(request.body, Infinity, 'EntityTooLarge');
        throw new S3Error(instead);
      }
      return instead ?? respond(request);
    },
  };
}

function bytewise(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}
