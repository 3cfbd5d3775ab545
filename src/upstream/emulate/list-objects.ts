import { S3Error } from '../../s3/error.ts';
import type { Handler, Layer, S3Request, S3Response } from '../../s3/message.ts';
import type { Query } from '../../s3/query.ts';
import { escapeXml } from '../../s3/xml.ts';
import type { Dialect } from '../dialect.ts';
import { noteEmulation, textOf, withText } from './ask.ts';
import { markerOf } from './continuation.ts';
import { beforeEnd, encodeListing, toVersion2 } from './listing-document.ts';
import { isListing, LISTINGS, type Listing, type Page, readPage } from './listing-page.ts';
import { PERCENT } from './text-coding.ts';

/** A storage that gives so many empty pages in a row has lost its way. */
const MAX_EMPTY_PAGES = 1000;
/** The most that S3 itself puts in a page, and says so whatever was asked for. */
const S3_PAGE = 1000;

/**
 * Listings as S3 has them, whatever the service lacks: V2 over V1, `encoding-type=url`, pages above its limit, a
 * `NextMarker` on every page that is not the last. Empty pages in the midst are passed over (facts R30, R31).
 */
export function listObjects(dialect: Pick<Dialect, 'listVersion' | 'encodingType' | 'maxKeys'>): Layer {
  return (next) => async (request) => {
    const { operation } = request;
    if (!isListing(operation)) return next(request);
    const isEmulated = operation === 'ListObjectsV2' && dialect.listVersion === 1;
    if (isEmulated) noteEmulation(request, 'V2 listing');
    const said = isEmulated ? toVersion1(request) : request;
    const inner = { ...said, query: limited(said.query, operation, dialect) };
    const { response, page, isMoved } = await fullPage(next, inner, isEmulated ? 'ListObjects' : operation);
    const isEncodedHere = request.query.get('encoding-type') === 'url' && page.coding !== PERCENT;
    let { text } = page;
    if (isEmulated) text = toVersion2(page, request);
    else if (operation === 'ListObjects') text = withNextMarker(page);
    if (isEncodedHere) text = encodeListing(text, operation);
    if (isMoved && !isEmulated) text = withMarker(text, request, operation);
    text = withLimit(text, request, operation, dialect);
    // Most pages are right as they are, and in memory already.
    return text === page.text && response.body instanceof Uint8Array ? response : withText(response, text);
  };
}

/** Asks for a page, and for the next ones while they are empty. */
async function fullPage(
  next: Handler,
  request: S3Request,
  operation: Listing,
): Promise<{ readonly response: S3Response; readonly page: Page; readonly isMoved: boolean }> {
  let asked = request;
  for (let empty = 0; ; empty++) {
    const response = await next(asked);
    const page = readPage(asked, operation, await textOf(response));
    const mayFollow = operation === 'ListObjects' || operation === 'ListObjectsV2';
    // A client that asks for no keys gets none.
    const isDone = page.next === undefined || !page.isEmpty || !mayFollow || asked.query.get('max-keys') === '0';
    if (isDone || page.next === undefined) return { response, page, isMoved: empty > 0 };
    if (empty === MAX_EMPTY_PAGES) {
      throw new S3Error('ServiceUnavailable', { cause: new Error('the storage gives nothing but empty pages') });
    }
    request.signal.throwIfAborted();
    asked = { ...asked, query: asked.query.with(LISTINGS[operation].from, page.next) };
  }
}

/** The V1 request for a V2 one. @throws S3Error InvalidArgument for a token that is none of ours */
function toVersion1(request: S3Request): S3Request {
  const { query } = request;
  const token = query.get('continuation-token');
  const marker = token === undefined ? query.get('start-after') : markerOf(token);
  const kept = query.without((name) => V2_ONLY.has(name));
  return {
    ...request,
    operation: 'ListObjects',
    query: marker === undefined || marker === '' ? kept : kept.with('marker', marker),
  };
}

const V2_ONLY: ReadonlySet<string> = new Set(['list-type', 'continuation-token', 'start-after', 'fetch-owner']);

function limited(query: Query, operation: Listing, dialect: Pick<Dialect, 'encodingType' | 'maxKeys'>): Query {
  const kept = dialect.encodingType === 'pass' ? query : query.without((name) => name === 'encoding-type');
  const { limit } = LISTINGS[operation];
  return Number(kept.get(limit) ?? 0) > dialect.maxKeys ? kept.with(limit, String(dialect.maxKeys)) : kept;
}

/** Not every service names the next marker when there is no delimiter; clients may go by it all the same. */
function withNextMarker({ text, next, coding }: Page): string {
  if (next === undefined || /<NextMarker>[^<]/.test(text)) return text;
  return beforeEnd(text.replace(/<NextMarker\s*(\/>|><\/NextMarker>)/, ''), [['NextMarker', coding.encode(next)]]);
}

/** The answer repeats the client's own marker, not the one of the page that was found behind empty ones. */
function withMarker(text: string, request: S3Request, operation: Listing): string {
  const [element, name] =
    operation === 'ListObjects'
      ? (['Marker', 'marker'] as const)
      : (['ContinuationToken', 'continuation-token'] as const);
  const asked = escapeXml(request.query.get(name) ?? '');
  return text.replace(new RegExp(`<${element}>[^<]*<`), () => `<${element}>${asked}<`);
}

/** As S3 does, the answer repeats how many keys were asked for, up to 1,000, whatever the service's pages hold. */
function withLimit(text: string, request: S3Request, operation: Listing, dialect: Pick<Dialect, 'maxKeys'>): string {
  const asked = Number(request.query.get(LISTINGS[operation].limit) ?? 0);
  if (!(asked > dialect.maxKeys)) return text;
  return text.replace(/<(MaxKeys|MaxUploads)>\d+</, (_, name: string) => `<${name}>${Math.min(asked, S3_PAGE)}<`);
}
