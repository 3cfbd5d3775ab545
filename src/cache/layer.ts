import { LRUCache } from 'lru-cache';
import { readBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import type { Handler, Layer, S3Request, S3Response } from '../s3/message.ts';
import { childText, parseXml } from '../s3/xml.ts';
import { type CacheResult, RESULT_HEADER } from './answer.ts';
import { createCopyWrites } from './copy-writes.ts';
import { type ObjectName, objectId } from './identity.ts';
import type { ObjectWrite } from './object-write.ts';
import { concernOf, isForAll } from './operations.ts';
import { readObject } from './read.ts';
import type { Rule, RuleSet } from './rules.ts';
import type { Call, Shared } from './shared.ts';
import { createUploadWrites } from './upload-writes.ts';
import type { Uploads } from './uploads.ts';
import { writeThrough } from './write.ts';

/** One bucket of clients, as far as the cache is concerned. */
export interface CachePlace {
  readonly storage: string;
  /** Where the storage is: a URL or a folder. */
  readonly place: string;
  /** As the storage knows it. */
  readonly bucket: string;
  /** Goes before every key of the client. */
  readonly prefix: string;
  readonly clientBucket: string;
  /** Undefined where nothing is cached; writes count there all the same, for others may reach the same objects. */
  readonly rules: RuleSet | undefined;
  /** The longest stretch of a large object that the storage is asked for at a time, in bytes. */
  readonly partBytes: number;
  /** What this one request copies, as the storage knows it; undefined where it copies nothing, or from elsewhere. */
  readonly copied?: Pick<ObjectName, 'bucket' | 'key'> | undefined;
  /** All storages at that place, this one included: what is written through one is seen through the others. */
  readonly storagesThere: readonly string[];
}

/** The cache around one place: between authorisation, so that a hit is allowed like a miss, and the storage. */
export function cacheLayer(place: CachePlace, shared: Shared, uploads: Uploads): Layer {
  const nameOf = (key: string): ObjectName => ({
    storage: place.storage,
    place: place.place,
    bucket: place.bucket,
    key: place.prefix + key,
  });
  const idsOf = (key: string): string[] => {
    const own = nameOf(key);
    const others = place.storagesThere.filter((storage) => storage !== place.storage);
    return [own, ...others.map((storage) => ({ ...own, storage }))].map(objectId);
  };
  // Hashing a name costs more than all else that a hit out of memory takes.
  // Made when first wanted: a layer for one copy has no use for that much memory.
  let ids: LRUCache<string, string> | undefined;
  const idOf = (key: string, name: ObjectName): string => {
    ids ??= new LRUCache({ max: MAX_IDS });
    const known = ids.get(key);
    if (known !== undefined) return known;
    const id = objectId(name);
    ids.set(key, id);
    return id;
  };
  const writes = createUploadWrites(shared, uploads);
  const writeOf = (request: S3Request, next: Handler, key: string): ObjectWrite => ({
    request,
    next,
    name: nameOf(key),
    ids: idsOf(key),
    rule: place.rules?.(key),
  });
  const readKey = (request: S3Request, next: Handler, key: string, rule: Rule): Promise<S3Response> => {
    const name = nameOf(key);
    return read({ request, next, name, id: idOf(key, name), rule, partBytes: place.partBytes }, shared);
  };
  return (next) => (request) => {
    const key = request.key ?? '';
    const write = (): ObjectWrite => writeOf(request, next, key);
    const concern = concernOf(request);
    switch (concern) {
      case 'none':
        return next(request);
      case 'read':
        return place.rules === undefined ? next(request) : readKey(request, next, key, place.rules(key));
      case 'write':
        return writeThrough(idsOf(key), shared, () => next(request));
      case 'put':
        return writes.put(write());
      case 'copy':
        return createCopyWrites(shared, uploads).copy(write(), sourceOf(place));
      case 'complete':
        return writes.complete(write());
      case 'delete':
        return writes.delete(write());
      case 'delete-many':
        return deleteMany(request, next, idsOf, shared);
      case 'part':
        return writes.part(write());
      case 'copy-part':
        return createCopyWrites(shared, uploads).part(write(), sourceOf(place));
      case 'abort':
        uploads.forget(`${idsOf(key)[0]} ${request.query.get('uploadId') ?? ''}`);
        return next(request);
      case 'bucket':
        return onBucket(place, shared, () => next(request));
      default:
        return concern satisfies never;
    }
  };
}

/** Names whose ids each place remembers. */
const MAX_IDS = 10_000;

async function read(call: Call, shared: Shared): Promise<S3Response> {
  const { request, next, rule } = call;
  const isBypassed = rule.mode === 'bypass' || !isForAll(request);
  const count = (result: CacheResult, bytes: number) => {
    request.notes.set('cache', result);
    shared.recorder.request(rule.label, request.method, result, bytes);
  };
  try {
    const response = isBypassed ? marked(await next(request), 'bypass') : await readObject(call, shared);
    // Set by whoever answered, from the type.
    const result = response.headers.get(RESULT_HEADER) as CacheResult;
    count(result, Number(response.headers.get('content-length') ?? 0));
    return response;
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    const known = error.headers?.get(RESULT_HEADER) as CacheResult | undefined;
    const result = known ?? (isBypassed ? 'bypass' : 'miss');
    count(result, 0);
    if (known !== undefined) throw error;
    const { code, message, detail, cause } = error;
    throw new S3Error(code, { message, detail, cause, headers: new Map(error.headers).set(RESULT_HEADER, result) });
  }
}

function marked(response: S3Response, result: CacheResult): S3Response {
  return { ...response, headers: new Map(response.headers).set(RESULT_HEADER, result) };
}

/** The largest DeleteObjects document. */
const MAX_DOCUMENT_BYTES = 4 * 2 ** 20;

async function deleteMany(
  request: S3Request,
  next: Handler,
  idsOf: (key: string) => readonly string[],
  shared: Shared,
): Promise<S3Response> {
  const body = await readBody(request.body, MAX_DOCUMENT_BYTES, 'MalformedXML');
  const keys = parseXml(body, 'Delete')
    .children.filter(({ name }) => name === 'Object')
    .map((object) => childText(object, 'Key') ?? '');
  const ids = [...new Set(keys.flatMap(idsOf))];
  return writeThrough(ids, shared, () => next({ ...request, body, bodyLength: body.byteLength }));
}

function sourceOf({ storage, place, copied }: CachePlace): string | undefined {
  return copied && objectId({ storage, place, ...copied });
}

/** What changes a bucket as a whole leaves nothing in it that needs no asking. */
async function onBucket(place: CachePlace, shared: Shared, send: () => Promise<S3Response>): Promise<S3Response> {
  const doubt = () => {
    shared.store.doubtAll(place.place, place.bucket);
    shared.absent.clear();
  };
  doubt();
  try {
    return await send();
  } finally {
    doubt();
  }
}
