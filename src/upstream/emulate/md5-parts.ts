import { readBody } from '../../s3/body.ts';
import { S3Error } from '../../s3/error.ts';
import { quoteEtag, unquoteEtag } from '../../s3/etag.ts';
import type { Handler, S3Request, S3Response } from '../../s3/message.ts';
import { buildXml, childText, escapeXml, MAX_XML_BYTES, parseXml, unescapeXml, type XmlNode } from '../../s3/xml.ts';
import { ACCESS_HEADERS, ask, pick, textOf, withDocument, withText } from './ask.ts';
import { elementText } from './listing-page.ts';
import type { Md5Names } from './md5-names.ts';

const MAX_COMPLETE_BYTES = 4 * MAX_XML_BYTES;
const ETAG = /<ETag>([^<]*)</;

interface Context {
  readonly next: Handler;
  readonly names: Md5Names;
}

/** The answer to a copy. What is copied is not seen here: the object's metadata tells, or a look at it. */
export async function copied(response: S3Response, request: S3Request, { next, names }: Context): Promise<S3Response> {
  const text = await textOf(response);
  const etag = unquoteEtag(unescapeXml(elementText(text, 'ETag') ?? '') ?? '');
  let ours = names.ofObject(request, etag) ?? etag;
  if (request.operation === 'UploadPartCopy') {
    names.forgetPart(partOf(request));
  } else {
    const head = await next(ask(request, { operation: 'HeadObject', headers: pick(request.headers, ACCESS_HEADERS) }));
    ours = names.ofHeaders(request, head.headers) ?? ours;
  }
  return withText(
    response,
    text.replace(ETAG, () => `<ETag>${escapeXml(quoteEtag(ours))}<`),
  );
}

/** ListParts, with the MD5 of each part that was seen being uploaded. */
export async function listParts(response: S3Response, request: S3Request, names: Md5Names): Promise<S3Response> {
  const uploadId = request.query.get('uploadId') ?? '';
  const parts = (await textOf(response)).split('</Part>').map((part) => {
    const number = elementText(part.slice(Math.max(0, part.lastIndexOf('<Part>'))), 'PartNumber') ?? '';
    return part.replace(ETAG, (_, raw: string) => {
      const etag = unquoteEtag(unescapeXml(raw) ?? '');
      const known = names.part({ uploadId, number });
      const ours = known?.etag === etag ? known.md5 : etag.toLowerCase();
      return `<ETag>${escapeXml(quoteEtag(/^[0-9a-f]{32}$/.test(ours) ? ours : etag))}<`;
    });
  });
  return withText(response, parts.join('</Part>'));
}

/**
 * CompleteMultipartUpload: the MD5s that the client names become the storage's ETags, by what was remembered, else by
 * the storage's own list of parts. A part that is remembered with another MD5 is refused as AWS would.
 * @throws S3Error InvalidPart
 */
export async function completeUpload(received: S3Request, next: Handler, names: Md5Names): Promise<S3Response> {
  const bytes = await readBody(received.body, MAX_COMPLETE_BYTES, 'MaxMessageLengthExceeded');
  const request = { ...received, body: bytes, bodyLength: bytes.byteLength };
  const uploadId = request.query.get('uploadId') ?? '';
  const parts = parseXml(bytes, 'CompleteMultipartUpload').children.filter(({ name }) => name === 'Part');
  const wanted = parts.map((part) => ({
    number: (childText(part, 'PartNumber') ?? '').trim(),
    etag: unquoteEtag((childText(part, 'ETag') ?? '').trim()),
  }));
  const isKnown = wanted.every(({ number }) => names.part({ uploadId, number }) !== undefined);
  const listed = isKnown ? new Map<string, string>() : await listedParts(request, next);
  const nodes = wanted.map(({ number, etag }): XmlNode => {
    const known = names.part({ uploadId, number });
    if (known !== undefined && known.md5 !== etag && known.etag !== etag) throw new S3Error('InvalidPart');
    const theirs = known?.etag ?? listed.get(number) ?? etag;
    return [
      'Part',
      [
        ['PartNumber', number],
        ['ETag', quoteEtag(theirs)],
      ],
    ];
  });
  const response = await next(withDocument(request, buildXml(['CompleteMultipartUpload', nodes])));
  for (const { number } of wanted) names.forgetPart({ uploadId, number });
  const text = await textOf(response);
  return withText(
    response,
    text.replace(ETAG, (_, raw: string) => {
      const etag = unquoteEtag(unescapeXml(raw) ?? '');
      return `<ETag>${escapeXml(quoteEtag(names.ofObject(request, etag) ?? etag))}<`;
    }),
  );
}

/** ETags of an upload's parts by their numbers. */
async function listedParts(request: S3Request, next: Handler): Promise<Map<string, string>> {
  const etags = new Map<string, string>();
  const headers = pick(request.headers, ACCESS_HEADERS);
  let marker: string | undefined;
  for (;;) {
    const query = { uploadId: request.query.get('uploadId'), 'part-number-marker': marker };
    const document = await textOf(await next(ask(request, { operation: 'ListParts', query, headers })));
    const root = parseXml(Buffer.from(document), 'ListPartsResult');
    for (const part of root.children.filter(({ name }) => name === 'Part')) {
      etags.set(childText(part, 'PartNumber') ?? '', unquoteEtag(childText(part, 'ETag') ?? ''));
    }
    const following = childText(root, 'NextPartNumberMarker');
    const isMoving = Number(following) > Number(marker ?? 0);
    if (childText(root, 'IsTruncated') !== 'true' || !isMoving) return etags;
    marker = following;
  }
}

function partOf({ query }: S3Request): { uploadId: string; number: string } {
  return { uploadId: query.get('uploadId') ?? '', number: query.get('partNumber') ?? '' };
}
