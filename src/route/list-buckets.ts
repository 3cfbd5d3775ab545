import { OWNER } from '../s3/acl.ts';
import { dropBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import type { S3Request, S3Response } from '../s3/message.ts';
import { Query } from '../s3/query.ts';
import { buildXml, childText, parseXml, type XmlNode } from '../s3/xml.ts';
import { type Caller, type Catalog, mayKnow, type Storage } from './catalog.ts';
import { readAnswer, xmlAnswer } from './document.ts';

interface ListedBucket {
  readonly name: string;
  /** ISO 8601. */
  readonly created: string;
}

const MAX_BUCKETS = 10_000;

/**
 * Answers ListBuckets with what the caller can reach: bucket entries and storages' own buckets, and the buckets of its
 * default storage. Sorted, each name once; the first rule that names a bucket wins, as in routing.
 * `created` is shown for buckets that the configuration names; `onFailure` hears of a storage that shows none.
 * @throws S3Error InvalidArgument
 */
export async function listBuckets(
  request: S3Request,
  caller: Caller,
  {
    catalog,
    created,
    onFailure,
  }: { readonly catalog: Catalog; readonly created: Date; readonly onFailure: (error: unknown) => void },
): Promise<S3Response> {
  dropBody(request.body);
  const { query } = request;
  const limit = limitOf(query.get('max-buckets'));
  const prefix = query.get('prefix') ?? '';
  const after = query.has('continuation-token') ? afterOf(query.get('continuation-token') ?? '') : '';
  const names = new Map<string, ListedBucket>();
  const storage = catalog.defaultStorage(caller);
  for (const bucket of storage === undefined ? [] : await bucketsOf(storage, request, onFailure))
    names.set(bucket.name, bucket);
  for (const { clientBucket } of catalog.named(caller)) {
    names.set(clientBucket, { name: clientBucket, created: created.toISOString() });
  }
  const listed = [...names.values()]
    .filter(({ name }) => name.startsWith(prefix) && name > after && mayKnow(caller, name))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  const page = listed.slice(0, limit);
  const last = listed.length > limit ? page.at(-1) : undefined;
  const elements: XmlNode[] = [
    ['Owner', OWNER],
    [
      'Buckets',
      page.map(
        ({ name, created: date }): XmlNode => [
          'Bucket',
          [
            ['Name', name],
            ['CreationDate', date],
          ],
        ],
      ),
    ],
    ['ContinuationToken', last && Buffer.from(last.name).toString('base64url')],
    ['Prefix', query.get('prefix')],
  ];
  return xmlAnswer(buildXml(['ListAllMyBucketsResult', elements]));
}

/**
 * The buckets of a storage. None when its account may not list them: those that are configured still can be shown.
 * @throws S3Error when the storage cannot answer
 */
async function bucketsOf(
  storage: Storage,
  request: S3Request,
  onFailure: (error: unknown) => void,
): Promise<ListedBucket[]> {
  const inner: S3Request = { ...request, query: Query.empty, body: null, bodyLength: 0 };
  let response: S3Response;
  try {
    response = await storage.handler(inner);
  } catch (error) {
    if (!(error instanceof S3Error) || error.code !== 'AccessDenied') throw error;
    onFailure(error);
    return [];
  }
  if (response.status !== 200) {
    dropBody(response.body);
    const failure = new Error(`ListBuckets was answered with ${response.status}`);
    if (response.status !== 403) throw new S3Error('ServiceUnavailable', { cause: failure });
    onFailure(failure);
    return [];
  }
  return parseBuckets(await readAnswer(response));
}

function parseBuckets(document: string): ListedBucket[] {
  try {
    const root = parseXml(Buffer.from(document), 'ListAllMyBucketsResult');
    const list = root.children.find(({ name }) => name === 'Buckets');
    return (list?.children ?? []).flatMap((bucket) => {
      const name = childText(bucket, 'Name');
      return name === undefined ? [] : [{ name, created: childText(bucket, 'CreationDate') ?? '' }];
    });
  } catch (cause) {
    throw new S3Error('InternalError', { cause });
  }
}

function limitOf(value: string | undefined): number {
  if (value === undefined) return MAX_BUCKETS;
  const limit = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (limit < 1 || limit > MAX_BUCKETS) {
    throw new S3Error('InvalidArgument', { detail: { ArgumentName: 'max-buckets' } });
  }
  return limit;
}

/** The token is the last name shown: it opens nothing that the caller could not ask for. */
function afterOf(token: string): string {
  const name = Buffer.from(token, 'base64url').toString();
  if (Buffer.from(name).toString('base64url') === token && token !== '') return name;
  throw new S3Error('InvalidArgument', {
    message: 'The continuation token provided is incorrect',
    detail: { ArgumentName: 'continuation-token' },
  });
}
