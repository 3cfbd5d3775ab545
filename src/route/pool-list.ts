import { dropBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import type { S3Request, S3Response } from '../s3/message.ts';
import type { Query } from '../s3/query.ts';
import { encodeKey } from '../s3/uri.ts';
import { buildXml, type XmlNode } from '../s3/xml.ts';
import { type Target, targetOfKey, targetsOfPool } from './catalog.ts';
import { readAnswer, xmlAnswer } from './document.ts';
import type { Pool } from './pool.ts';
import { codingOf } from './text.ts';
import type { TokenScope } from './tokens.ts';

export interface PoolListing {
  readonly pool: Pool;
  readonly tenant: string;
  /** Lists one bucket of the pool, in the client's names. */
  readonly send: (target: Target, request: S3Request) => Promise<S3Response>;
}

/** A listing asks every bucket for a page: more than this many would be an attack of our own. */
const MAX_BUCKETS = 128;
const PARALLEL = 8;

/**
 * Lists a pooled bucket as the one bucket that it is to clients: a page of every bucket is fetched, and the first
 * entries in key order are the page. A key found both in the pool and in the unpooled bucket is shown once, the
 * pool's, as reading gives it.
 * @param request ListObjects, ListObjectsV2 or ListMultipartUploads
 * @throws S3Error NotImplemented for pools too large to list
 */
export async function listPool(request: S3Request, target: Target, listing: PoolListing): Promise<S3Response> {
  dropBody(request.body);
  if (listing.pool.size > MAX_BUCKETS) throw new S3Error('NotImplemented');
  const limit = limitOf(request);
  const start = startOf(request, target, listing);
  const [base, ...pool] = targetsOfPool(target, listing.pool);
  const targets = base === undefined ? pool : [...pool, base];
  const pages: Page[] = [];
  for (let index = 0; index < targets.length; index += PARALLEL) {
    const some = targets.slice(index, index + PARALLEL);
    pages.push(...(await Promise.all(some.map((each) => pageOf(each, { request, start, target, listing, limit })))));
  }
  return xmlAnswer(merge(request, target, { pages, start, limit, listing }));
}

interface Entry {
  readonly key: string;
  /** As the storage's listing says it, in the client's names. */
  readonly xml: string;
}

interface Page {
  readonly entries: readonly Entry[];
  /** The last key that this bucket can speak for; undefined when it has told all. */
  readonly horizon: string | undefined;
  /** Whether its texts are percent-encoded. */
  readonly isEncoded: boolean;
}

/** Where a page begins: after this key, and with `uploadId` after that upload of the key. */
interface Start {
  readonly key: string;
  readonly uploadId: string;
}

interface PageRequest {
  readonly request: S3Request;
  readonly start: Start;
  readonly target: Target;
  readonly listing: PoolListing;
  readonly limit: number;
}

const LIMITS: ReadonlyMap<string, string> = new Map([['ListMultipartUploads', 'max-uploads']]);

function limitOf({ operation, query }: S3Request): number {
  const name = LIMITS.get(operation) ?? 'max-keys';
  const text = query.get(name) ?? '1000';
  if (!/^\d{1,10}$/.test(text)) {
    throw new S3Error('InvalidArgument', {
      message: `Provided ${name} not an integer or within integer range`,
      detail: { ArgumentName: name },
    });
  }
  return Math.min(Number(text), 1000);
}

function startOf({ operation, query }: S3Request, target: Target, listing: PoolListing): Start {
  const none = { key: '', uploadId: '' };
  if (operation === 'ListMultipartUploads') {
    return { key: query.get('key-marker') ?? '', uploadId: query.get('upload-id-marker') ?? '' };
  }
  if (operation === 'ListObjects') return { ...none, key: query.get('marker') ?? '' };
  const token = query.get('continuation-token');
  if (token === undefined) return { ...none, key: query.get('start-after') ?? '' };
  const key = target.tokens.unwrap(token, tokenScope(query, target, listing));
  if (key !== undefined) return { ...none, key };
  throw new S3Error('InvalidArgument', {
    message: 'The continuation token provided is incorrect',
    detail: { ArgumentName: 'continuation-token' },
  });
}

/** The token of a merged listing is the last key of its page, so it is bound to the client's own names. */
function tokenScope(query: Query, target: Target, { tenant }: PoolListing): TokenScope {
  const { storage, clientBucket } = target;
  return { kind: 'continuation', tenant, storage, bucket: `pool ${clientBucket}`, place: query.get('prefix') ?? '' };
}

/** One bucket's page. Version 1 is asked in any case: its marker may be a common prefix, and skips all below it. */
async function pageOf(each: Target, { request, start, target, listing, limit }: PageRequest): Promise<Page> {
  const isUploads = request.operation === 'ListMultipartUploads';
  let query = request.query.without((name) => DROPPED.has(name));
  if (start.key !== '') query = query.with(isUploads ? 'key-marker' : 'marker', start.key);
  // An upload id means something only to the bucket that the key's uploads are in.
  if (isUploads && start.uploadId !== '' && each.bucket === targetOfKey(target, start.key).bucket) {
    query = query.with('upload-id-marker', start.uploadId);
  }
  query = query.with(isUploads ? 'max-uploads' : 'max-keys', String(limit));
  const operation = isUploads ? 'ListMultipartUploads' : 'ListObjects';
  let response: S3Response;
  try {
    response = await listing.send(each, { ...request, operation, query, body: null, bodyLength: 0 });
  } catch (error) {
    const isAbsentBase = each.bucket === target.bucket && error instanceof S3Error && error.code === 'NoSuchBucket';
    if (isAbsentBase) return { entries: [], horizon: undefined, isEncoded: false };
    throw error;
  }
  return parsePage(await readAnswer(response));
}

const DROPPED: ReadonlySet<string> = new Set([
  'list-type',
  'continuation-token',
  'start-after',
  'fetch-owner',
  'marker',
  'key-marker',
  'upload-id-marker',
  'max-keys',
  'max-uploads',
]);

/** Rewriting has checked the document and let only plain known elements pass, so its entries can be cut out. */
function parsePage(document: string): Page {
  const coding = codingOf(document);
  const entries = [...document.matchAll(/<(Contents|CommonPrefixes|Upload)>.*?<\/\1>/gs)].map(([xml]): Entry => {
    const raw = /<(?:Key|Prefix)>([^<]*)</.exec(xml)?.[1];
    const key = raw === undefined ? undefined : coding.decode(raw);
    if (key === undefined) throw new S3Error('InternalError', { cause: new Error('an entry without a key') });
    return { key, xml };
  });
  const isTruncated = /<IsTruncated>\s*true\s*</.test(document);
  const last = entries.reduce((most, { key }) => (compareKeys(key, most) > 0 ? key : most), '');
  return { entries, horizon: isTruncated ? last : undefined, isEncoded: /<EncodingType>/.test(document) };
}

function merge(
  request: S3Request,
  target: Target,
  { pages, start, limit, listing }: { pages: Page[]; start: Start; limit: number; listing: PoolListing },
): string {
  const isUploads = request.operation === 'ListMultipartUploads';
  const horizons = pages.flatMap(({ horizon }) => (horizon === undefined ? [] : [horizon]));
  const horizon = horizons.sort(compareKeys)[0];
  const unique = new Map<string, Entry>();
  for (const { entries } of pages) {
    for (const entry of entries) {
      const id = isUploads ? entry.xml : entry.key;
      const isPast = !isUploads && start.key !== '' && compareKeys(entry.key, start.key) <= 0;
      const isUnsure = horizon !== undefined && compareKeys(entry.key, horizon) > 0;
      if (!isPast && !isUnsure && !unique.has(id)) unique.set(id, entry);
    }
  }
  const sorted = [...unique.values()].sort((one, other) => compareKeys(one.key, other.key));
  const page = sorted.slice(0, limit);
  const last = page.at(-1);
  const isTruncated = limit > 0 && last !== undefined && (sorted.length > limit || horizon !== undefined);
  const isEncoded = pages.some((each) => each.isEncoded);
  const next = isTruncated ? last : undefined;
  const write = isEncoded ? encodeKey : (text: string): string => text;
  const asked = (name: string): string => write(request.query.get(name) ?? '');
  const common: XmlNode[] = [
    ['Prefix', asked('prefix')],
    ['Delimiter', request.query.has('delimiter') ? asked('delimiter') : undefined],
    [isUploads ? 'MaxUploads' : 'MaxKeys', limit],
    ['EncodingType', isEncoded ? 'url' : undefined],
    ['IsTruncated', isTruncated],
  ];
  const marks = MARKS[request.operation]?.({ asked, write, next, count: page.length, target, listing, request }) ?? [];
  const root = isUploads ? 'ListMultipartUploadsResult' : 'ListBucketResult';
  const name: XmlNode = [isUploads ? 'Bucket' : 'Name', target.clientBucket];
  const document = buildXml([root, [name, ...common, ...marks]]);
  const end = `</${root}>`;
  return `${document.slice(0, -end.length)}${page.map(({ xml }) => xml).join('')}${end}`;
}

interface MarkFields {
  readonly asked: (name: string) => string;
  readonly write: (text: string) => string;
  /** The last entry of a page that has a next one. */
  readonly next: Entry | undefined;
  readonly count: number;
  readonly target: Target;
  readonly listing: PoolListing;
  readonly request: S3Request;
}

/** The elements with which each listing says where it began and where to go on. */
const MARKS: Readonly<Record<string, (fields: MarkFields) => XmlNode[]>> = {
  ListObjects: ({ asked, write, next }) => [
    ['Marker', asked('marker')],
    ['NextMarker', next && write(next.key)],
  ],
  ListObjectsV2: ({ asked, next, count, target, listing, request }) => [
    ['KeyCount', count],
    ['StartAfter', request.query.has('start-after') ? asked('start-after') : undefined],
    ['ContinuationToken', request.query.get('continuation-token')],
    ['NextContinuationToken', next && target.tokens.wrap(next.key, tokenScope(request.query, target, listing))],
  ],
  ListMultipartUploads: ({ asked, write, next, request }) => [
    ['KeyMarker', asked('key-marker')],
    ['UploadIdMarker', request.query.get('upload-id-marker') ?? ''],
    ['NextKeyMarker', next && write(next.key)],
    ['NextUploadIdMarker', next && /<UploadId>([^<]*)</.exec(next.xml)?.[1]],
  ],
};

/** UTF-8 byte order, in which S3 lists. It differs from JavaScript's only where surrogate pairs are involved. */
function compareKeys(one: string, other: string): number {
  if (SURROGATE.test(one) || SURROGATE.test(other)) return Buffer.compare(Buffer.from(one), Buffer.from(other));
  return one < other ? -1 : one > other ? 1 : 0;
}

const SURROGATE = /[\ud800-\udfff]/;
