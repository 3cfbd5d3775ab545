import { S3Error } from '../../s3/error.ts';
import type { S3Request } from '../../s3/message.ts';
import { escapeXml, S3_NAMESPACE } from '../../s3/xml.ts';
import { invalidArgument, parseEncodingType, parsePageSize } from '../decode/parameters.ts';
import { documentAnswer } from '../encode/answer.ts';
import { element, type KeyText, keyText, objectXml, prefixesXml } from '../encode/listing.ts';
import type { ListObjectsOutput } from '../object-store.ts';
import { bucketOf, type Operation, type Operations, type ServeContext } from '../operation.ts';

/** Listings of objects. */
export const listingOperations = {
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  ListObjectVersions: listObjectVersions,
} satisfies Operations;

interface ListRequest {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string;
  readonly limit: number;
  readonly key: KeyText;
  readonly isEncoded: boolean;
}

function parseList({ query, ...request }: S3Request): ListRequest {
  const isEncoded = parseEncodingType(query);
  return {
    bucket: bucketOf({ ...request, query }),
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    limit: parsePageSize(query, 'max-keys'),
    key: keyText(isEncoded),
    isEncoded,
  };
}

async function listFrom(list: ListRequest, after: string, { store }: ServeContext): Promise<ListObjectsOutput> {
  const { bucket, prefix, delimiter, limit } = list;
  return store.listObjects({ bucket, prefix, delimiter, after, limit });
}

async function listObjects(...[request, context]: Parameters<Operation>): ReturnType<Operation> {
  const list = parseList(request);
  const marker = request.query.get('marker') ?? '';
  const page = await listFrom(list, marker, context);
  const { key } = list;
  return listAnswer('ListBucketResult', list, page, [
    element('Marker', key(marker)),
    element('NextMarker', page.next === undefined ? undefined : key(page.next)),
    ...page.objects.map((object) => `<Contents>${objectXml(object, { key, hasOwner: true })}</Contents>`),
  ]);
}

async function listObjectsV2(...[request, context]: Parameters<Operation>): ReturnType<Operation> {
  const { query } = request;
  if (query.get('list-type') !== '2') {
    throw invalidArgument('list-type', query.get('list-type') ?? '', 'Invalid List Type specified in Request');
  }
  const list = parseList(request);
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after');
  const page = await listFrom(list, token === undefined ? (startAfter ?? '') : openToken(token), context);
  const { key } = list;
  const hasOwner = query.get('fetch-owner') === 'true';
  return listAnswer('ListBucketResult', list, page, [
    element('KeyCount', page.objects.length + page.commonPrefixes.length),
    element('StartAfter', startAfter === undefined ? undefined : key(startAfter)),
    element('ContinuationToken', token === undefined ? undefined : escapeXml(token)),
    element('NextContinuationToken', page.next === undefined ? undefined : makeToken(page.next)),
    ...page.objects.map((object) => `<Contents>${objectXml(object, { key, hasOwner })}</Contents>`),
  ]);
}

/** What an unversioned bucket answers: each object is its only version. */
async function listObjectVersions(...[request, context]: Parameters<Operation>): ReturnType<Operation> {
  const list = parseList(request);
  const keyMarker = request.query.get('key-marker') ?? '';
  const versionMarker = request.query.get('version-id-marker') ?? '';
  if (versionMarker !== '' && keyMarker === '') {
    const message = 'A version-id marker cannot be specified without a key marker.';
    throw invalidArgument('version-id-marker', versionMarker, message);
  }
  const page = await listFrom(list, keyMarker, context);
  const { key } = list;
  const entry = { key, hasOwner: true, version: '<VersionId>null</VersionId><IsLatest>true</IsLatest>' };
  return listAnswer('ListVersionsResult', list, page, [
    element('KeyMarker', key(keyMarker)),
    element('VersionIdMarker', escapeXml(versionMarker)),
    element('NextKeyMarker', page.next === undefined ? undefined : key(page.next)),
    element('NextVersionIdMarker', page.next === undefined ? undefined : 'null'),
    ...page.objects.map((object) => `<Version>${objectXml(object, entry)}</Version>`),
  ]);
}

function listAnswer(root: string, list: ListRequest, page: ListObjectsOutput, own: readonly string[]) {
  const { key } = list;
  const head = [
    element('Name', escapeXml(list.bucket)),
    element('Prefix', key(list.prefix)),
    element('MaxKeys', list.limit),
    element('Delimiter', list.delimiter === '' ? undefined : key(list.delimiter)),
    element('EncodingType', list.isEncoded ? 'url' : undefined),
    element('IsTruncated', page.next !== undefined),
  ];
  const inner = head.join('') + own.join('') + prefixesXml(page.commonPrefixes, key);
  return documentAnswer(`<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="${S3_NAMESPACE}">${inner}</${root}>`);
}

/** Opaque to clients: the place where the next page begins, behind a version so that we may change it. */
function makeToken(after: string): string {
  return Buffer.from(`1${after}`).toString('base64url');
}

function openToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString();
  if (text.length > 1 && text.startsWith('1') && makeToken(text.slice(1)) === token) return text.slice(1);
  throw new S3Error('InvalidArgument', {
    message: 'The continuation token provided is incorrect',
    detail: { ArgumentName: 'continuation-token' },
  });
}
