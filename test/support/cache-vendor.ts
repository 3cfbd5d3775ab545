import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { evaluateConditions, parseConditions } from '../../src/s3/conditions.ts';
import { S3Error } from '../../src/s3/error.ts';
import { unquoteEtag } from '../../src/s3/etag.ts';
import type { Handler, S3Request, S3Response } from '../../src/s3/message.ts';
import { parseRange } from '../../src/s3/range.ts';
import { decodeUri } from '../../src/s3/uri.ts';
import { buildXml, childText, parseXml, type XmlNode } from '../../src/s3/xml.ts';
import { bytesOf } from './s3-request.ts';

export interface VendorObject {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly lastModified: Date;
  readonly headers: ReadonlyMap<string, string>;
}

interface Part {
  readonly bytes: Buffer;
  readonly etag: string;
}

/** What may go wrong, or take its time, with one request. */
export interface Interference {
  /** Awaited before the request is looked at. */
  readonly before?: () => Promise<unknown> | undefined;
  /** Awaited when the answer is made, but before it is given. */
  readonly after?: () => Promise<unknown> | undefined;
  /** The body's bytes pass through this. */
  readonly body?: (body: Readable) => Readable;
}

export interface CacheVendor {
  readonly handler: Handler;
  /** What was asked, as `GET key`, in order. */
  readonly seen: string[];
  readonly requests: S3Request[];
  /** Bytes of objects that were given out. */
  bytesSent(): number;
  /** Changes an object behind everybody's back. */
  put(key: string, bytes: Buffer | string, headers?: Readonly<Record<string, string>>): VendorObject;
  get(key: string): VendorObject | undefined;
  delete(key: string): void;
  interfere: ((request: S3Request) => Interference | undefined) | undefined;
  /** Told of each change at the very moment at which it is made. */
  onChange: ((key: string) => void) | undefined;
}

/** A strict S3 server in memory, with versions, conditions, ranges and multipart uploads, as seen from above rewriting. */
export function cacheVendor(): CacheVendor {
  const objects = new Map<string, VendorObject>();
  const uploads = new Map<string, Map<number, Part>>();
  let uploadCount = 0;
  const seen: string[] = [];
  const requests: S3Request[] = [];
  let sent = 0;
  let clock = Date.UTC(2026, 0, 1);
  const store = (key: string, bytes: Buffer, headers: ReadonlyMap<string, string>, etag = md5(bytes)): VendorObject => {
    clock += 1000;
    const object = { bytes, etag, lastModified: new Date(clock), headers };
    objects.set(key, object);
    vendor.onChange?.(key);
    return object;
  };
  const remove = (key: string): void => {
    if (objects.delete(key)) vendor.onChange?.(key);
  };
  const partsOf = ({ query }: S3Request): Map<number, Part> => {
    const parts = uploads.get(query.get('uploadId') ?? '');
    if (parts === undefined) throw new S3Error('NoSuchUpload');
    return parts;
  };
  const vendor: CacheVendor = {
    seen,
    requests,
    bytesSent: () => sent,
    put: (key, bytes, headers = {}) => store(key, Buffer.from(bytes), new Map(Object.entries(headers))),
    get: (key) => objects.get(key),
    delete: remove,
    interfere: undefined,
    onChange: undefined,
    handler: async (request) => {
      seen.push(`${request.method} ${request.key}${request.headers.has('if-none-match') ? ' if changed' : ''}`);
      requests.push(request);
      const interference = vendor.interfere?.(request);
      await interference?.before?.();
      if (request.signal.aborted) throw request.signal.reason;
      const response = await respond(request);
      await interference?.after?.();
      if (request.signal.aborted) throw request.signal.reason;
      const { body } = response;
      return body instanceof Readable && interference?.body !== undefined
        ? { ...response, body: interference.body(body) }
        : response;
    },
  };

  async function respond(request: S3Request): Promise<S3Response> {
    const { operation, key = '', query } = request;
    switch (operation) {
      case 'GetObject':
      case 'HeadObject':
        return read(request);
      case 'PutObject': {
        const bytes = await bytesOf({ status: 200, headers: new Map(), body: request.body });
        return empty(store(key, bytes, kept(request)).etag);
      }
      case 'DeleteObject':
        remove(key);
        return { status: 204, headers: new Map(), body: null };
      case 'DeleteObjects': {
        const document = await bytesOf({ status: 200, headers: new Map(), body: request.body });
        for (const object of parseXml(document, 'Delete').children) remove(childText(object, 'Key') ?? '');
        return xml(['DeleteResult', []]);
      }
      case 'CopyObject': {
        const source = sourceOf(request);
        const isReplaced = request.headers.get('x-amz-metadata-directive') === 'REPLACE';
        const { etag } = store(key, source.bytes, isReplaced ? kept(request) : source.headers);
        return xml(['CopyObjectResult', [['ETag', `"${etag}"`]]]);
      }
      case 'CreateMultipartUpload': {
        const uploadId = `upload-${uploadCount++}`;
        uploads.set(uploadId, new Map());
        return xml(['InitiateMultipartUploadResult', [['UploadId', uploadId]]]);
      }
      case 'AbortMultipartUpload':
        uploads.delete(query.get('uploadId') ?? '');
        return { status: 204, headers: new Map(), body: null };
      case 'UploadPart': {
        const bytes = await bytesOf({ status: 200, headers: new Map(), body: request.body });
        partsOf(request).set(Number(query.get('partNumber')), { bytes, etag: md5(bytes) });
        return empty(md5(bytes));
      }
      case 'UploadPartCopy': {
        const source = sourceOf(request);
        const range = parseRange(request.headers.get('x-amz-copy-source-range'), source.bytes.length);
        if (range === 'unsatisfiable') throw new S3Error('InvalidRange');
        const bytes = range === undefined ? source.bytes : source.bytes.subarray(range.start, range.end + 1);
        partsOf(request).set(Number(query.get('partNumber')), { bytes, etag: md5(bytes) });
        return xml(['CopyPartResult', [['ETag', `"${md5(bytes)}"`]]]);
      }
      case 'CompleteMultipartUpload': {
        const document = await bytesOf({ status: 200, headers: new Map(), body: request.body });
        const uploaded = partsOf(request);
        const parts = parseXml(document).children.map((part) => {
          const found = uploaded.get(Number(childText(part, 'PartNumber')));
          if (found?.etag !== unquoteEtag(childText(part, 'ETag') ?? '')) throw new S3Error('InvalidPart');
          return found.bytes;
        });
        const bytes = Buffer.concat(parts);
        const { etag } = store(key, bytes, new Map(), `${md5(bytes)}-${parts.length}`);
        uploads.delete(query.get('uploadId') ?? '');
        return xml(['CompleteMultipartUploadResult', [['ETag', `"${etag}"`]]]);
      }
      default:
        return { status: 200, headers: new Map(), body: null };
    }
  }

  function sourceOf(request: S3Request): VendorObject {
    const path = decodeUri(request.headers.get('x-amz-copy-source') ?? '') ?? '';
    const source = objects.get(path.replace(/^\/[^/]+\//, ''));
    if (source === undefined) throw new S3Error('NoSuchKey');
    return source;
  }

  function read(request: S3Request): S3Response {
    const { status, headers, bytes } = answerOf(objects.get(request.key ?? ''), request);
    return { status, headers, body: bytes === undefined || request.method === 'HEAD' ? null : stream(bytes) };
  }

  function stream(bytes: Buffer): Readable {
    let position = 0;
    return new Readable({
      read() {
        if (position >= bytes.length) return void this.push(null);
        const chunk = bytes.subarray(position, position + 65_536);
        position += chunk.length;
        sent += chunk.length;
        this.push(chunk);
      },
    });
  }

  return vendor;
}

/**
 * What a GET or HEAD of one version is answered; of HEAD without the bytes.
 * @throws S3Error
 */
export function answerOf(
  found: VendorObject | undefined,
  { method, headers: asked }: Pick<S3Request, 'method' | 'headers'>,
): { readonly status: number; readonly headers: ReadonlyMap<string, string>; readonly bytes: Buffer | undefined } {
  if (found === undefined) throw new S3Error('NoSuchKey');
  const lastModified = found.lastModified.toUTCString();
  const headers = new Map<string, string>([
    ['content-type', 'application/octet-stream'],
    ...found.headers,
    ['etag', `"${found.etag}"`],
    ['last-modified', lastModified],
    ['accept-ranges', 'bytes'],
  ]);
  const verdict = evaluateConditions(parseConditions(asked), found);
  if (verdict === 'not-modified') return { status: 304, headers, bytes: undefined };
  if (verdict === 'failed') throw new S3Error('PreconditionFailed');
  const ifRange = asked.get('if-range');
  const isRange = ifRange === undefined || ifRange === `"${found.etag}"` || ifRange === lastModified;
  const range = isRange ? parseRange(asked.get('range'), found.bytes.length) : undefined;
  if (range === 'unsatisfiable') throw new S3Error('InvalidRange');
  const bytes = range === undefined ? found.bytes : found.bytes.subarray(range.start, range.end + 1);
  headers.set('content-length', String(bytes.length));
  if (range !== undefined) headers.set('content-range', `bytes ${range.start}-${range.end}/${found.bytes.length}`);
  return { status: range === undefined ? 200 : 206, headers, bytes: method === 'HEAD' ? undefined : bytes };
}

function kept(request: S3Request): Map<string, string> {
  const isKept = /^(content-type|content-encoding|cache-control|x-amz-meta-.*)$/;
  return new Map([...request.headers].filter(([name]) => isKept.test(name)));
}

function empty(etag: string): S3Response {
  return { status: 200, headers: new Map([['etag', `"${etag}"`]]), body: null };
}

function xml(root: XmlNode): S3Response {
  return { status: 200, headers: new Map([['content-type', 'application/xml']]), body: Buffer.from(buildXml(root)) };
}

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}
