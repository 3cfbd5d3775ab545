import { S3Error } from '../../s3/error.ts';
import { decodeHeaderText, type Headers } from '../../s3/headers.ts';
import { decodeUri, encodeKey, encodeUri } from '../../s3/uri.ts';

/** The object a copy reads. */
export interface CopySource {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
}

const HEADER = 'x-amz-copy-source';

/** Reads a copy source as routing writes it and clients may. @throws S3Error InvalidArgument */
export function readCopySource(headers: Headers): CopySource {
  const text = decodeHeaderText(headers.get(HEADER) ?? '');
  const question = text.indexOf('?');
  const path = decodeUri((question < 0 ? text : text.slice(0, question)).replace(/^(\/|%2F)/i, ''));
  const slash = path?.indexOf('/') ?? -1;
  const version =
    question < 0 ? undefined : decodeUri(/^versionId=([^&?]+)$/.exec(text.slice(question + 1))?.[1] ?? '');
  if (path === undefined || slash < 1 || slash === path.length - 1 || version === '') {
    throw new S3Error('InvalidArgument', { detail: { ArgumentName: HEADER } });
  }
  return { bucket: path.slice(0, slash), key: path.slice(slash + 1), versionId: version };
}

/** Writes a copy source: with a leading slash, which some services demand. */
export function writeCopySource({ bucket, key, versionId }: CopySource): string {
  return `/${bucket}/${encodeKey(key)}${versionId === undefined ? '' : `?versionId=${encodeUri(versionId)}`}`;
}
