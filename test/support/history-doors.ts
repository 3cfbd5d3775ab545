import { Readable } from 'node:stream';
import { parseCopySource } from '../../src/s3/copy-source.ts';
import type { Handler, S3Request } from '../../src/s3/message.ts';
import { buildXml, childText, parseXml } from '../../src/s3/xml.ts';
import { type Cached, type CachedAnswer, send } from './cached.ts';

/** What is sent through a door, in that door's names. */
export interface DoorRequest {
  readonly method: string;
  readonly key?: string;
  /** Without `?`. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** The client goes away with the first bytes of the answer. */
  readonly leaves?: boolean;
}

/** One bucket of clients over the storage's bucket. */
export interface Door {
  readonly bucket: string;
  /** What the storage's keys have in front of this bucket's. */
  readonly prefix: string;
  /** Status 0: the answer broke off, or none came. */
  send(request: DoorRequest): Promise<CachedAnswer>;
}

/** What one bucket of clients leaves out of the storage's keys. */
export const PREFIX = 'p/';

/** Two buckets of clients over the vendor's one: all of it, and what is below `PREFIX`. */
export function layeredDoors({ vendor, handler, at }: Cached): readonly Door[] {
  const below: Handler = (request) => {
    const copied = request.headers.has('x-amz-copy-source') ? parseCopySource(request.headers) : undefined;
    const source = copied && { bucket: 'bucket', key: PREFIX + copied.key };
    const place = { prefix: PREFIX, clientBucket: 'team', copied: source };
    return at(place, (inner) => vendor.handler(asStorage(inner)))(request);
  };
  return [door('bucket', '', handler), door('team', PREFIX, below)];
}

function door(bucket: string, prefix: string, handler: Handler): Door {
  const leave: Handler = async (request) => {
    const response = await handler(request);
    const { body } = response;
    if (!(body instanceof Readable)) return response;
    for await (const _ of body) break;
    return { ...response, body: null };
  };
  return {
    bucket,
    prefix,
    send: ({ leaves, key, ...request }) => send(leaves === true ? leave : handler, { ...request, bucket, key }),
  };
}

/** Names as rewriting leaves them. */
function asStorage(request: S3Request): S3Request {
  const { key, headers, body, operation } = request;
  const source = headers.get('x-amz-copy-source');
  return {
    ...request,
    bucket: 'bucket',
    key: key === undefined ? undefined : PREFIX + key,
    ...(source !== undefined && {
      headers: new Map(headers).set('x-amz-copy-source', source.replace('/team/', `/bucket/${PREFIX}`)),
    }),
    ...(operation === 'DeleteObjects' && body instanceof Uint8Array && { body: renamed(body) }),
  };
}

function renamed(document: Uint8Array): Buffer {
  const objects = parseXml(document).children.map((object) => childText(object, 'Key') ?? '');
  return Buffer.from(buildXml(['Delete', objects.map((key) => ['Object', [['Key', PREFIX + key]]])]));
}
