import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { evaluateConditions, parseConditions } from '../../src/s3/conditions.ts';
import { S3Error } from '../../src/s3/error.ts';
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
}

/** A strict S3 server in memory, with versions, conditions, ranges and multipart uploads, as seen from above rewriting. */
export function cacheVendor(): CacheVendor {
  const objects = new Map<string, VendorObject>();
  const uploads = new Map<string, Map<number, { bytes: Buffer; etag: string }>>();
  const seen: string[] = [];
  const requests: S3Request[] = [];
  let sent = 0;
  let clock = Date.UTC(2026, 0, 1);
  const store = (key: string, bytes: Buffer, headers: ReadonlyMap<string, string>, etag = md5(bytes)): VendorObject => {
    clock += 1000;
    const object = { bytes, etag, lastModified: new Date(clock), headers };
    objects.set(key, object);
    return object;
  };
  const vendor: CacheVendor = {
    seen,
    requests,
    bytesSent: () => sent,
    put: (key, bytes, headers = {}) => store(key, Buffer.from(bytes), new Map(Object.entries(headers))),
    get: (key) => objects.get(key),
    delete: (key) => void objects.delete(key),
    interfere: undefined,
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
        objects.delete(key);
        return { status: 204, headers: new Map(), body: null };
      case 'DeleteObjects': {
        const document = await bytesOf({ status: 200, headers: new Map(), body: request.body });
        for (const object of parseXml(document, 'Delete').children) objects.delete(childText(object, 'Key') ?? '');
        return xml(['DeleteResult', []]);
      }
      case 'CopyObject': {
        const source = sourceOf(request);
        const isReplaced = request.headers.get('x-amz-metadata-directive') === 'REPLACE';
        const { etag } = store(key, source.bytes, isReplaced ? kept(request) : source.headers);
        return xml(['CopyObjectResult', [['ETag', `"${etag}"`]]]);
      }
      case 'CreateMultipartUpload':
        uploads.set(`upload-${uploads.size}`, new Map());
        return xml(['InitiateMultipartUploadResult', [['UploadId', `upload-${uploads.size - 1}`]]]);
      case 'UploadPart': {
        const bytes = await bytesOf({ status: 200, headers: new Map(), body: request.body });
        uploads.get(query.get('uploadId') ?? '')?.set(Number(query.get('partNumber')), { bytes, etag: md5(bytes) });
        return empty(md5(bytes));
      }
      case 'UploadPartCopy': {
        const source = sourceOf(request);
        const range = parseRange(request.headers.get('x-amz-copy-source-range'), source.bytes.length);
        if (range === 'unsatisfiable') throw new S3Error('InvalidRange');
        const bytes = range === undefined ? source.bytes : source.bytes.subarray(range.start, range.end + 1);
        uploads.get(query.get('uploadId') ?? '')?.set(Number(query.get('partNumber')), { bytes, etag: md5(bytes) });
        return xml(['CopyPartResult', [['ETag', `"${md5(bytes)}"`]]]);
      }
      case 'CompleteMultipartUpload': {
        const document = await bytesOf({ status: 200, headers: new Map(), body: request.body });
        const parts = parseXml(document).children.map(
          (part) => uploads.get(query.get('uploadId') ?? '')?.get(Number(childText(part, 'PartNumber')))?.bytes,
        );
        const bytes = Buffer.concat(parts.map((part) => part ?? Buffer.alloc(0)));
        const { etag } = store(key, bytes, new Map(), `${md5(bytes)}-${parts.length}`);
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
    const found = objects.get(request.key ?? '');
    if (found === undefined) throw new S3Error('NoSuchKey');
    const headers = new Map<string, string>([
      ['content-type', 'application/octet-stream'],
      ...found.headers,
      ['etag', `"${found.etag}"`],
      ['last-modified', found.lastModified.toUTCString()],
      ['accept-ranges', 'bytes'],
    ]);
    const verdict = evaluateConditions(parseConditions(request.headers), found);
    if (verdict === 'not-modified') return { status: 304, headers, body: null };
    if (verdict === 'failed') throw new S3Error('PreconditionFailed');
    const range = parseRange(request.headers.get('range'), found.bytes.length);
    if (range === 'unsatisfiable') throw new S3Error('InvalidRange');
    const bytes = range === undefined ? found.bytes : found.bytes.subarray(range.start, range.end + 1);
    headers.set('content-length', String(bytes.length));
    if (range !== undefined) headers.set('content-range', `bytes ${range.start}-${range.end}/${found.bytes.length}`);
    const status = range === undefined ? 200 : 206;
    return { status, headers, body: request.method === 'HEAD' ? null : stream(bytes) };
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
