import { parseConditions } from '../../s3/conditions.ts';
import { S3Error } from '../../s3/error.ts';
import { quoteEtag } from '../../s3/etag.ts';
import type { S3Request, S3Response } from '../../s3/message.ts';
import { parseAttributes, parseStorageClass, refuseUnsupported } from '../decode/attributes.ts';
import { parseAlgorithm } from '../decode/checksum.ts';
import { parseWriteConditions } from '../decode/conditions.ts';
import { copySourceOf, isReplaced } from '../decode/copy.ts';
import { parseOverrides } from '../decode/overrides.ts';
import { parsePartNumber } from '../decode/parameters.ts';
import { checksumHeaders, checksumNodes, emptyAnswer, xmlAnswer, xmlDate } from '../encode/answer.ts';
import { objectAnswer } from '../encode/object.ts';
import type { CopyObjectInput, ObjectPlace } from '../object-store.ts';
import { type Operations, placeOf, type ServeContext } from '../operation.ts';

/** The most bytes of one PutObject or UploadPart, and of a CopyObject's source. */
const MAX_PUT_BYTES = 5 * 1024 ** 3;

/** Single objects, but for their tags and attributes. */
export const objectOperations = {
  GetObject: (request, context) => read(request, context, false),
  HeadObject: (request, context) => read(request, context, true),

  async PutObject(request, { store }) {
    refuseUnsupported(request.headers);
    checkUploadSize(request);
    const written = await store.putObject(
      {
        ...placeOf(request),
        ...parseAttributes(request),
        conditions: parseWriteConditions(request.headers),
        body: request.body,
        length: request.bodyLength,
        checksum: request.bodyChecksum,
        claims: request.bodyClaims,
      },
      request.signal,
    );
    return emptyAnswer(200, { etag: quoteEtag(written.etag), ...checksumHeaders(written.checksum) });
  },

  async CopyObject(request, { store }) {
    refuseUnsupported(request.headers);
    const copied = await store.copyObject(parseCopy(request), request.signal);
    return xmlAnswer([
      'CopyObjectResult',
      [
        ['LastModified', xmlDate(copied.lastModified)],
        ['ETag', quoteEtag(copied.etag)],
        ...checksumNodes(copied.checksum),
      ],
    ]);
  },

  async DeleteObject(request, { store }) {
    refuseUnsupported(request.headers);
    await store.deleteObject({ ...placeOf(request), conditions: parseWriteConditions(request.headers) });
    return emptyAnswer(204);
  },
} satisfies Operations;

/** @throws S3Error EntityTooLarge before a byte was read */
export function checkUploadSize({ bodyLength }: S3Request): void {
  if (bodyLength === undefined || bodyLength <= MAX_PUT_BYTES) return;
  throw new S3Error('EntityTooLarge', {
    detail: { ProposedSize: String(bodyLength), MaxSizeAllowed: String(MAX_PUT_BYTES) },
  });
}

async function read(request: S3Request, { store }: ServeContext, headOnly: boolean): Promise<S3Response> {
  const { headers, query } = request;
  refuseUnsupported(headers);
  const range = headers.get('range');
  const partText = query.get('partNumber');
  if (range !== undefined && partText !== undefined) {
    throw new S3Error('InvalidRequest', { message: 'Cannot specify both Range header and partNumber query parameter' });
  }
  const partNumber = partText === undefined ? undefined : parsePartNumber(partText);
  const overrides = parseOverrides(query);
  const redirect = request.mayRedirect === true ? { overrides } : undefined;
  const input = { ...placeOf(request), range, partNumber, conditions: parseConditions(headers), headOnly, redirect };
  const output = await store.getObject(input, request.signal);
  if (output.redirect !== undefined) return emptyAnswer(307, { location: output.redirect });
  const hasChecksums = headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
  return objectAnswer(output, { partNumber, hasChecksums, overrides });
}

function parseCopy(request: S3Request): CopyObjectInput {
  const { headers } = request;
  const place = placeOf(request);
  const source = copySourceOf(headers);
  const { tags, ...attributes } = parseAttributes(request);
  const isMetadataReplaced = isReplaced(headers, 'metadata');
  const areTagsReplaced = isReplaced(headers, 'tagging');
  const storageClass = parseStorageClass(headers);
  const isChanged = isMetadataReplaced || areTagsReplaced || storageClass !== undefined;
  if (isSame(place, source) && !isChanged && !headers.has('x-amz-website-redirect-location')) {
    const message =
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";
    throw new S3Error('InvalidRequest', { message });
  }
  return {
    ...place,
    source,
    sourceConditions: parseConditions(headers, 'x-amz-copy-source-'),
    conditions: parseWriteConditions(headers),
    attributes: isMetadataReplaced ? attributes : undefined,
    // S3 does not copy the storage class: what is not asked for becomes STANDARD.
    storageClass: storageClass ?? 'STANDARD',
    tags: areTagsReplaced ? tags : undefined,
    checksumAlgorithm: parseAlgorithm(headers, 'x-amz-checksum-algorithm'),
  };
}

function isSame(a: ObjectPlace, b: ObjectPlace): boolean {
  return a.bucket === b.bucket && a.key === b.key;
}
