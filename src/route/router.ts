import { dropBody, readBody } from '../s3/body.ts';
import { COPY_SOURCE, type CopySource, parseCopySource } from '../s3/copy-source.ts';
import { S3Error } from '../s3/error.ts';
import { compose, type Handler, type Layer, type S3Request, type S3Response } from '../s3/message.ts';
import { accessOf, type OperationName } from '../s3/operation.ts';
import { MAX_XML_BYTES } from '../s3/xml.ts';
import { authorize, authorizeSource, checkSegment, checkSegments, checkShape } from './authorize.ts';
import {
  type Caller,
  type Catalog,
  mayKnow,
  mayTouch,
  type Target,
  targetOfKey,
  targetsOfPool,
  unpooled,
} from './catalog.ts';
import { crossCopy } from './cross-copy.ts';
import { deleteObjects } from './delete-objects.ts';
import { withoutBody } from './document.ts';

import { listBuckets } from './list-buckets.ts';
import { storageKey } from './mapping.ts';
import { listPool } from './pool-list.ts';
import { rewrite } from './rewrite.ts';

export interface RouteLog {
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export interface RouteOptions {
  /**
   * Layers between authorisation and rewriting, such as the cache: they see the client's names, and only what the
   * caller may do. Asked for each request, with the one bucket that a key belongs to, and with what it copies there from
   * the same storage, as the storage knows that.
   */
  readonly layersFor?: (target: Target, source?: CopySource) => readonly Layer[];
  readonly now?: () => Date;
  /** Told of what a storage failed at when the client gets an answer all the same. */
  readonly log?: RouteLog;
  /** Creation date shown for buckets that the configuration names. */
  readonly created?: Date;
}

/**
 * Sends each request to the storage that holds its bucket, when the caller may do what it asks. Authorisation, cache
 * and storage all work on the one target found here.
 *
 * What the caller cannot reach is answered alike whether it exists or not: AccessDenied where rules or project scope
 * may hide something, else NoSuchBucket.
 */
export function route(catalog: Catalog, options: RouteOptions = {}): Handler {
  const context: Context = {
    catalog,
    layersFor: options.layersFor ?? (() => []),
    now: options.now ?? (() => new Date()),
    created: options.created ?? new Date(0),
    log: options.log ?? { warn: () => undefined },
  };
  return async (request) => {
    try {
      return await handle(request, context);
    } catch (error) {
      dropBody(request.body);
      throw error;
    }
  };
}

interface Context extends Required<RouteOptions> {
  readonly catalog: Catalog;
}

/** A request that its caller may make, and where it goes. */
interface Call {
  readonly request: S3Request;
  readonly caller: Caller;
  readonly target: Target;
  readonly context: Context;
}

async function handle(received: S3Request, context: Context): Promise<S3Response> {
  checkShape(received);
  const { catalog, created, log } = context;
  const caller = catalog.caller(received.identity);
  if (caller === undefined) throw new S3Error('AccessDenied');
  if (received.bucket === undefined) {
    if (received.operation !== 'ListBuckets') throw new S3Error('MethodNotAllowed');
    if (caller.credential === undefined) throw new S3Error('AccessDenied');
    const onFailure = (err: unknown): void => log.warn({ err, request: received.id }, 'buckets cannot be listed');
    return listBuckets(received, caller, { catalog, created, onFailure });
  }
  const target = targetFor(caller, received.bucket, catalog);
  authorize(received, caller, target);
  checkSegments(received, target);
  received.notes.set('storage', target.storage);
  return dispatch({ request: withoutStraySource(received), caller, target, context });
}

function dispatch(call: Call): Promise<S3Response> {
  const { request, target } = call;
  switch (request.operation) {
    case 'CreateBucket':
    case 'DeleteBucket':
      return onBucket(call);
    case 'PostObject':
      return Promise.reject(new S3Error('MethodNotAllowed'));
    case 'DeleteObjects':
      return deleteMany(call);
    case 'CopyObject':
    case 'UploadPartCopy':
      return copy(call);
    case 'ListObjects':
    case 'ListObjectsV2':
    case 'ListMultipartUploads': {
      const { pool } = target;
      if (pool === undefined) return send(call, target, request);
      const list = (each: Target, page: S3Request): Promise<S3Response> => send(call, each, page);
      return listPool(request, target, { pool, tenant: call.caller.tenant, send: list });
    }
    case 'ListObjectVersions':
      // One key's versions may lie in two buckets, and those of the unpooled one alone would look like all.
      return target.pool === undefined ? onKey(call) : Promise.reject(new S3Error('NotImplemented'));
    case 'GetObject':
      return onKey(mayRedirect(request, target) ? { ...call, request: { ...request, mayRedirect: true } } : call);
    default:
      return onKey(call);
  }
}

/**
 * Whether a client's read may be answered with where the storage has the bytes. What is cached is read here. SDKs do
 * not follow redirects, and a signature in the headers would go along, which the storage refuses.
 */
function mayRedirect({ signedIn }: S3Request, { delivery, cache }: Target): boolean {
  if (signedIn === undefined || (cache !== undefined && cache !== 'off')) return false;
  return delivery === 'redirect-all' || (delivery === 'redirect' && signedIn !== 'header');
}

/** @throws S3Error AccessDenied, NoSuchBucket */
function targetFor(caller: Caller, bucket: string, catalog: Catalog): Target {
  if (caller.credential !== undefined && !mayKnow(caller, bucket)) throw new S3Error('AccessDenied');
  const target = catalog.target(caller, bucket);
  if (target !== undefined) return target;
  // Where something is hidden, a name that is free and one that is another's must look the same.
  if (caller.credential === undefined || catalog.isPartial(caller)) throw new S3Error('AccessDenied');
  throw new S3Error('NoSuchBucket', { detail: { BucketName: bucket } });
}

/** A copy source means something to copies only; elsewhere a storage must not see one that was never judged. */
function withoutStraySource(request: S3Request): S3Request {
  if (!request.headers.has(COPY_SOURCE) || COPIES.has(request.operation)) return request;
  if (request.operation === 'Unknown') throw new S3Error('NotImplemented', { detail: { Header: COPY_SOURCE } });
  const headers = new Map(request.headers);
  headers.delete(COPY_SOURCE);
  return { ...request, headers };
}

const COPIES: ReadonlySet<OperationName> = new Set<OperationName>(['CopyObject', 'UploadPartCopy']);

/** Asks the one bucket that `target` is. Takes over the request's body. */
function send(call: Call, target: Target, request: S3Request, source?: CopySource): Promise<S3Response> {
  const { context, caller } = call;
  const layers = [...context.layersFor(target, source), rewrite({ target, tenant: caller.tenant, source })];
  return compose(target.handler, layers)(request);
}

/**
 * On the default storage buckets come and go. One that the configuration names is never removed over S3, and made
 * only where the storage does not have it yet: of a pool, all of them.
 */
async function onBucket(call: Call): Promise<S3Response> {
  const { request, target } = call;
  if (target.rule === 'default') return send(call, target, request);
  if (request.operation === 'DeleteBucket') throw new S3Error('AccessDenied');
  // What it says of a region is of no use, but whether it came whole is found out at its end.
  await readBody(request.body, MAX_XML_BYTES, 'MaxMessageLengthExceeded');
  const create = withoutBody(request);
  const targets = target.pool === undefined ? [target] : targetsOfPool(target, target.pool);
  let created: S3Response | undefined;
  for (const each of targets) {
    const head: S3Request = { ...create, method: 'HEAD', operation: 'HeadBucket' };
    const found = await send(call, each, head).catch(ifAbsent);
    dropBody(found?.body ?? null);
    if (found === undefined || found.status === 404) created = await send(call, each, create);
  }
  if (created !== undefined) return created;
  throw new S3Error('BucketAlreadyOwnedByYou', { detail: { BucketName: target.clientBucket } });
}

async function onKey(call: Call): Promise<S3Response> {
  const { request, target } = call;
  const { operation } = request;
  const pooled = targetOfKey(target, request.key ?? '');
  const base = unpooled(target);
  if (pooled.bucket === base.bucket || operation === 'Unknown') return send(call, base, request);
  if (operation === 'DeleteObject') {
    // Reads fall back to the unpooled bucket: what is left there would come back to life.
    const left = await send(call, base, { ...request, body: null }).catch(ifAbsent);
    dropBody(left?.body ?? null);
    return send(call, pooled, request);
  }
  if (accessOf(operation) !== 'read' || (request.method !== 'GET' && request.method !== 'HEAD')) {
    return send(call, pooled, request);
  }
  dropBody(request.body);
  const read = { ...request, body: null };
  return orElse(
    () => send(call, pooled, read),
    () => send(call, base, read),
  );
}

/** The first answer, or the second when there the object is absent. */
async function orElse(first: () => Promise<S3Response>, second: () => Promise<S3Response>): Promise<S3Response> {
  const response = await first().catch(ifAbsent);
  if (response !== undefined && response.status !== 404) return response;
  dropBody(response?.body ?? null);
  return second();
}

function ifAbsent(error: unknown): undefined {
  if (error instanceof S3Error && (error.code === 'NoSuchKey' || error.code === 'NoSuchBucket')) return undefined;
  throw error;
}

function deleteMany(call: Call): Promise<S3Response> {
  const { request, caller, target, context } = call;
  return deleteObjects(request, {
    targetsOf: (key) => {
      checkSegment(key, 'Key', target);
      const pooled = targetOfKey(target, key);
      return pooled.bucket === target.bucket ? [pooled] : [pooled, unpooled(target)];
    },
    mayDelete: (key) => mayTouch(caller, 'delete', target.clientBucket, key),
    send: (each, inner) => send(call, each, inner),
    onFailure: (err) => context.log.warn({ err, request: request.id }, 'keys were not deleted'),
  });
}

async function copy(call: Call): Promise<S3Response> {
  const { request, caller, context } = call;
  const target = targetOfKey(call.target, request.key ?? '');
  const named = parseCopySource(request.headers);
  authorizeSource(named, caller);
  const found = targetFor(caller, named.bucket, context.catalog);
  checkSegment(named.key, COPY_SOURCE, found);
  const from = (place: Target): Promise<S3Response> => {
    if (place.storage === target.storage) {
      const source = { ...named, bucket: place.bucket, key: storageKey(named.key, place) };
      return send(call, target, request, source);
    }
    return crossCopy(request, {
      source: named,
      read: (inner) => send(call, place, inner),
      write: (inner) => send(call, target, inner),
      now: context.now,
    });
  };
  const pooled = targetOfKey(found, named.key);
  const base = unpooled(found);
  return pooled.bucket === base.bucket
    ? from(base)
    : orElse(
        () => from(pooled),
        () => from(base),
      );
}
