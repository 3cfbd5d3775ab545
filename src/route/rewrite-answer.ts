import { OWNER_ID, PRIVATE_ACL } from '../s3/acl.ts';
import { dropBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import type { Headers } from '../s3/headers.ts';
import type { S3Request, S3Response } from '../s3/message.ts';
import { encodeKey } from '../s3/uri.ts';
import { buildXml, escapeXml, unescapeXml } from '../s3/xml.ts';
import { type CompiledShape, editXml } from '../s3/xml-edit.ts';
import { isRewritten } from './catalog.ts';
import { readAnswer, withAnswer, xmlAnswer } from './document.ts';
import { errorOf, messageOf, safeCode } from './error-document.ts';
import { type AnswerPlace, KEY_PLACES, type KeyPlaces } from './key-places.ts';
import { listingScope, type Mapping, storageKey, storagePrefix, uploadScope } from './mapping.ts';
import { codingOf } from './text.ts';

/**
 * Gives an answer of the storage the client's names. Takes over the answer's body.
 * @param request as the client sent it
 * @throws S3Error what the storage's own error document says, or InternalError when the answer cannot be mapped
 */
export async function rewriteAnswer(response: S3Response, request: S3Request, mapping: Mapping): Promise<S3Response> {
  const places: KeyPlaces = request.operation === 'Unknown' ? PASSES : KEY_PLACES[request.operation];
  const rewritten = isRewritten(mapping.target);
  // Asked for by the router; no storage's own redirect comes this far.
  if (response.status === 307 && request.mayRedirect === true) return response;
  const isSuccess = response.status >= 200 && response.status < 300;
  if (!isSuccess) {
    if (!rewritten) return response;
    if (response.status === 304 || request.method === 'HEAD') {
      dropBody(response.body);
      return { ...response, headers: safeHeaders(response.headers), body: null };
    }
    throw await errorOf(response, request);
  }
  const answer = withRegion(
    withLocation({ ...response, headers: rewritten ? safeHeaders(response.headers) : response.headers }, request),
    request,
  );
  if (places.standIn === 'location' || (rewritten && places.standIn !== undefined)) {
    dropBody(response.body);
    return xmlAnswer(STAND_INS[places.standIn]);
  }
  if (places.answer === undefined || response.body === null) return answer;
  const text = await readAnswer(answer);
  if (text === '') return answer;
  // Complete and copies begin to answer 200 before they know how they end.
  if (/^\s*(<\?xml[^>]*>)?\s*<Error[\s>]/.test(text)) throw await errorOf(xmlAnswer(text, 500), request);
  return withAnswer(answer, toClient(text, places.answer, request, mapping));
}

const PASSES: KeyPlaces = { rewritten: 'never' };

function toClient(text: string, shape: CompiledShape<AnswerPlace>, request: S3Request, mapping: Mapping): string {
  const { target } = mapping;
  const { tokens } = target;
  const coding = codingOf(text);
  let listedKey: string | undefined;
  let code = '';
  let dropped = 0;
  const decode = (raw: string): string => {
    const decoded = coding.decode(raw);
    if (decoded === undefined) throw unmappable('a text that cannot be decoded');
    return decoded;
  };
  const prefixes = coding.spellings(target.prefix);
  const strip = (raw: string): string => {
    const spelling = prefixes.find((prefix) => raw.startsWith(prefix));
    if (spelling !== undefined && !raw.includes('&')) return raw.slice(spelling.length);
    const key = decode(raw);
    if (!key.startsWith(target.prefix)) throw unmappable('a key outside of the prefix');
    return spelling === undefined ? coding.encode(key.slice(target.prefix.length)) : raw.slice(spelling.length);
  };
  const entry = (raw: string): string | undefined => {
    const name = strip(raw);
    if (name !== '') return name;
    dropped++;
    return undefined;
  };
  const wrapUpload = (raw: string, key: string | undefined): string => {
    const uploadId = unescapeXml(raw);
    if (uploadId === undefined || key === undefined) throw unmappable('an upload without a key');
    return tokens.wrap(uploadId, uploadScope(mapping, key));
  };
  const edit = (place: AnswerPlace, raw: string): string | undefined => {
    switch (place) {
      case 'bucket':
        return escapeXml(target.clientBucket);
      case 'key':
        return raw === '' ? raw : strip(raw);
      case 'entry-key':
        listedKey = raw;
        return entry(raw);
      case 'entry-prefix':
        return entry(raw);
      case 'object-key':
        return coding.encode(request.key ?? '');
      case 'location':
        return escapeXml(locationOf(request, target.clientBucket));
      case 'owner':
        return OWNER_ID;
      case 'code':
        code = safeCode(raw);
        return code;
      case 'message':
        return escapeXml(messageOf(code));
      case 'token': {
        const token = unescapeXml(raw);
        if (token === undefined) throw unmappable('a token that cannot be decoded');
        return token === '' ? '' : tokens.wrap(token, listingScope(mapping, storagePrefix(request, target)));
      }
      case 'upload':
        return wrapUpload(
          raw,
          request.key === undefined ? listedKey && decode(listedKey) : storageKey(request.key, target),
        );
      case 'upload-marker':
        return raw === '' ? '' : wrapUpload(raw, nextKeyMarker(text, decode));
      default:
        return coding.encode(request.query.get(place.slice('asked '.length)) ?? '');
    }
  };
  const enter = (name: string): void => {
    if (name === 'Upload') listedKey = undefined;
  };
  const edited = editXml(text, { shape, edit, enter, others: 'drop' });
  if (dropped === 0) return edited;
  return edited.replace(/<KeyCount>(\d+)</, (_, count: string) => `<KeyCount>${Math.max(0, Number(count) - dropped)}<`);
}

/** It may stand before or after the upload id marker that belongs to it. */
function nextKeyMarker(document: string, decode: (raw: string) => string): string | undefined {
  const raw = /<NextKeyMarker>([^<]*)</.exec(document)?.[1];
  return raw === undefined ? undefined : decode(raw);
}

function unmappable(what: string): S3Error {
  return new S3Error('InternalError', { cause: new Error(`the storage's answer has ${what}`) });
}

/** The object's address as this client would write it. */
function locationOf(request: S3Request, bucket: string): string {
  const key = encodeKey(request.key ?? '');
  const host = request.headers.get('host') ?? '';
  return `${request.scheme}://${host}/${request.addressing === 'virtual' ? '' : `${bucket}/`}${key}`;
}

/** Header fields of an answer that say nothing of bucket, key, host or account. */
const SAFE_HEADERS =
  /^(content-(type|length|encoding|disposition|language|range|md5)|etag|last-modified|cache-control|expires|accept-ranges|retry-after|date|age|location|x-amz-.*|x-sluice-.*)$/;
const UNSAFE_AMZ =
  /^x-amz-(id-2|request-id|bucket-.*|access-point-.*|abort-rule-id|expiration|copy-source|website-redirect-location|.*-kms-key-id)$/;

function safeHeaders(headers: Headers): Headers {
  return new Map([...headers].filter(([name]) => SAFE_HEADERS.test(name) && !UNSAFE_AMZ.test(name)));
}

function withLocation(response: S3Response, request: S3Request): S3Response {
  if (!response.headers.has('location')) return response;
  const headers = new Map(response.headers);
  if (request.operation === 'CreateBucket') headers.set('location', `/${request.bucket ?? ''}`);
  else headers.delete('location');
  return { ...response, headers };
}

/** Clients look for it to learn where to sign for; any region is taken here, so the storage's own stays behind. */
function withRegion(response: S3Response, request: S3Request): S3Response {
  if (request.operation !== 'HeadBucket') return response;
  return { ...response, headers: new Map(response.headers).set('x-amz-bucket-region', 'us-east-1') };
}

const STAND_INS = {
  location: buildXml(['LocationConstraint', '']),
  acl: PRIVATE_ACL,
} as const satisfies Record<NonNullable<KeyPlaces['standIn']>, string>;
