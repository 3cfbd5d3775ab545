import { S3Error } from '../../s3/error.ts';
import { quoteEtag, unquoteEtag } from '../../s3/etag.ts';
import type { Handler, S3Request, S3Response } from '../../s3/message.ts';
import { escapeXml, unescapeXml } from '../../s3/xml.ts';
import { ask, inParallel, textOf, withText } from './ask.ts';
import { elementText } from './listing-page.ts';
import type { Md5Names } from './md5-names.ts';
import { codingOf } from './text-coding.ts';

/** Objects looked at, at a time, whose ETag only their metadata can tell. */
const PARALLEL_HEADS = 16;
const ETAG = /<ETag>([^<]*)</;

/** A listing in which every object has the ETag that HEAD gives it. */
export async function listed(
  response: S3Response,
  request: S3Request,
  { next, names }: { readonly next: Handler; readonly names: Md5Names },
): Promise<S3Response> {
  const text = await textOf(response);
  const { decode } = codingOf(text);
  // Every second piece is an entry's inside; texts hold no `<`.
  const pieces = text.split(/(?<=<(?:Contents|Version)>)|(?=<\/(?:Contents|Version)>)/);
  const written = await inParallel(pieces, PARALLEL_HEADS, async (piece) => {
    const raw = elementText(piece, 'ETag');
    const key = decode(elementText(piece, 'Key') ?? '');
    if (raw === undefined || key === undefined || key === '') return piece;
    const etag = unquoteEtag(unescapeXml(raw) ?? '');
    const object = { bucket: request.bucket, key };
    const versionId = elementText(piece, 'VersionId');
    const ours = names.ofObject(object, etag) ?? (await etagOf(object.key, versionId)) ?? etag;
    return ours === etag ? piece : piece.replace(ETAG, () => `<ETag>${escapeXml(quoteEtag(ours))}<`);
  });
  return withText(response, written.join(''));

  async function etagOf(key: string, versionId: string | undefined): Promise<string | undefined> {
    try {
      const head = await next(ask(request, { operation: 'HeadObject', key, query: { versionId } }));
      return names.ofHeaders({ bucket: request.bucket, key }, head.headers);
    } catch (error) {
      // Deleted since, or not to be read: the listing still names it, with the storage's ETag.
      if (error instanceof S3Error) return undefined;
      throw error;
    }
  }
}
