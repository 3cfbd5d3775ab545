import { readBody } from '../s3/body.ts';
import { COPY_SOURCE, formatCopySource } from '../s3/copy-source.ts';
import { S3Error } from '../s3/error.ts';
import type { Layer, S3Request, S3Response } from '../s3/message.ts';
import type { Query } from '../s3/query.ts';
import { unescapeXml } from '../s3/xml.ts';
import { editXml } from '../s3/xml-edit.ts';
import { isRewritten, type Target } from './catalog.ts';
import { withDocument } from './document.ts';
import { scrubError } from './error-document.ts';
import { DELETE_SHAPE, KEY_PLACES, type KeyPlaces, type QueryPlace } from './key-places.ts';
import { listingScope, type Mapping, storageKey, storagePrefix, uploadScope } from './mapping.ts';
import { rewriteAnswer } from './rewrite-answer.ts';
import { escapeText } from './text.ts';

/** Names another key of the same bucket, or any URL: where names differ it would lead elsewhere. */
const WEBSITE_REDIRECT = 'x-amz-website-redirect-location';

/** The longest DeleteObjects document, after prefixes were added to 1,000 keys. */
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;

/**
 * Gives a storage its own bucket names and keys, and clients theirs, one to one, everywhere the operation has them.
 * Object bytes pass as streams; documents are edited for every target, so that none tells the vendor.
 *
 * An answer that cannot be mapped back - a key without the prefix, a broken document - becomes InternalError, and
 * nothing of it is sent.
 */
export function rewrite(mapping: Mapping): Layer {
  return (next) => async (request) => {
    const inner = await toStorage(request, mapping);
    return rewriteAnswer(await answered(next(inner), mapping.target), request, mapping);
  };
}

async function answered(response: Promise<S3Response>, target: Target): Promise<S3Response> {
  try {
    return await response;
  } catch (error) {
    throw isRewritten(target) ? scrubError(error, target) : error;
  }
}

async function toStorage(request: S3Request, mapping: Mapping): Promise<S3Request> {
  const { target, source } = mapping;
  if (request.operation === 'Unknown') {
    // Without a query there is no sub-resource that we might fail to know.
    const code = request.query.parameters.length > 0 ? 'NotImplemented' : 'MethodNotAllowed';
    if (isRewritten(target)) throw new S3Error(code, { detail: { Method: request.method } });
    return request;
  }
  const places = KEY_PLACES[request.operation];
  const isRefused = places.rewritten === 'whole-bucket' ? target.prefix !== '' : places.rewritten === 'never';
  if (isRewritten(target) && isRefused) throw new S3Error('NotImplemented');
  if (isRewritten(target) && request.headers.has(WEBSITE_REDIRECT)) {
    throw new S3Error('NotImplemented', { detail: { Header: WEBSITE_REDIRECT } });
  }

  const moved: S3Request = {
    ...request,
    bucket: target.bucket,
    key: request.key === undefined ? undefined : storageKey(request.key, target),
    query: places.query === undefined ? request.query : toStorageQuery(request, places, mapping),
    headers:
      source === undefined ? request.headers : new Map(request.headers).set(COPY_SOURCE, formatCopySource(source)),
  };
  return places.hasKeysInBody && target.prefix !== '' ? withStorageKeys(moved, target) : moved;
}

function toStorageQuery(request: S3Request, places: KeyPlaces, mapping: Mapping): Query {
  const { target } = mapping;
  let { query } = request;
  for (const [name, place] of Object.entries(places.query ?? {})) {
    const value = request.query.get(name);
    // An empty marker is none. An empty prefix is one: the whole bucket.
    if (value === undefined || (value === '' && place !== 'upload')) continue;
    query = query.with(name, toStorageValue(place, value, request, mapping));
  }
  if (target.prefix === '' || places.skip === undefined) return query;
  query = query.with('prefix', storageKey(request.query.get('prefix') ?? '', target));
  const isFirstPage =
    !query.has('continuation-token') && !query.has('version-id-marker') && (query.get(places.skip) ?? '') === '';
  return isFirstPage && storagePrefix(request, target) === target.prefix
    ? query.with(places.skip, target.prefix)
    : query;
}

function toStorageValue(place: QueryPlace, value: string, request: S3Request, mapping: Mapping): string {
  const { target } = mapping;
  const { tokens } = target;
  switch (place) {
    case 'key':
    case 'prefix':
      return storageKey(value, target);
    case 'token': {
      const token = tokens.unwrap(value, listingScope(mapping, storagePrefix(request, target)));
      if (token === undefined) throw invalidToken('continuation-token', 'The continuation token provided is incorrect');
      return token;
    }
    case 'upload': {
      const token = tokens.unwrap(value, uploadScope(mapping, storageKey(request.key ?? '', target)));
      if (token === undefined) throw new S3Error('NoSuchUpload');
      return token;
    }
    case 'upload-marker': {
      const key = storageKey(request.query.get('key-marker') ?? '', target);
      const token = tokens.unwrap(value, uploadScope(mapping, key));
      if (token === undefined) throw invalidToken('upload-id-marker', 'Invalid uploadId marker');
      return token;
    }
    default: {
      const unforeseen: never = place;
      throw new Error(`no such place: ${unforeseen}`);
    }
  }
}

function invalidToken(name: string, message: string): S3Error {
  return new S3Error('InvalidArgument', { message, detail: { ArgumentName: name } });
}

/** The document is the router's own, so the edit cannot fail on it. */
async function withStorageKeys(request: S3Request, target: Target): Promise<S3Request> {
  const document = await readBody(request.body, MAX_DOCUMENT_BYTES, 'MaxMessageLengthExceeded');
  const edit = (_kind: 'key', raw: string): string => {
    const key = unescapeXml(raw);
    if (key === undefined) throw new S3Error('MalformedXML');
    return escapeText(storageKey(key, target));
  };
  return withDocument(request, editXml(document.toString('utf8'), { shape: DELETE_SHAPE, edit, others: 'keep' }));
}
