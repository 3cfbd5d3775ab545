import type { BodyChecksum } from '../../../src/s3/checksum.ts';
import { childText } from '../../../src/s3/xml.ts';
import { type Answer, type Call, document, queryOf } from './client.ts';

export interface SentPart {
  readonly number: number;
  readonly etag: string;
  readonly checksum?: BodyChecksum;
}

export interface Uploader {
  /** Gives the upload's id. */
  readonly begin: (key: string, headers?: Record<string, string>) => Promise<string>;
  readonly upload: (
    key: string,
    uploadId: string,
    number: number,
    body: Uint8Array,
    checksum?: BodyChecksum,
  ) => Promise<Answer>;
  readonly complete: (
    key: string,
    uploadId: string,
    parts: readonly SentPart[],
    headers?: Record<string, string>,
  ) => Promise<Answer>;
  readonly get: (key: string, query?: string, headers?: Record<string, string>) => Promise<Answer>;
}

/** The calls of a multipart upload to one bucket. */
export function uploaderOf(call: Call, bucket: string): Uploader {
  const begin = async (key: string, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await call({ method: 'POST', bucket, key, query: 'uploads', headers });
    return childText(document(answer), 'UploadId') ?? '';
  };
  const upload = (key: string, uploadId: string, number: number, body: Uint8Array, checksum?: BodyChecksum) =>
    call({
      method: 'PUT',
      bucket,
      key,
      query: queryOf({ partNumber: number, uploadId }),
      body,
      ...(checksum && { checksum }),
    });
  const complete = (key: string, uploadId: string, parts: readonly SentPart[], headers: Record<string, string> = {}) =>
    call({ method: 'POST', bucket, key, query: queryOf({ uploadId }), headers, body: completeXml(parts) });
  const get = (key: string, query = '', headers: Record<string, string> = {}) =>
    call({ method: 'GET', bucket, key, query, headers });

  return { begin, upload, complete, get };
}

function completeXml(parts: readonly SentPart[]): string {
  const inner = parts.map(({ number, etag, checksum }) => {
    const sum = checksum && `<Checksum${checksum.algorithm}>${checksum.value}</Checksum${checksum.algorithm}>`;
    return `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag>${sum ?? ''}</Part>`;
  });
  return `<CompleteMultipartUpload>${inner.join('')}</CompleteMultipartUpload>`;
}
