import { Readable } from 'node:stream';
import { readBody } from '../s3/body.ts';
import { unquoteEtag } from '../s3/etag.ts';
import type { Body, S3Response } from '../s3/message.ts';
import { assemble } from './assembly.ts';
import { etagInDocument, isKept, isSuccess, type ObjectWrite, uploadOf } from './object-write.ts';
import { concatenate, keep } from './populate.ts';
import type { Shared } from './shared.ts';
import type { CacheStore, Draft } from './store.ts';
import { copyOnTheWay } from './tee.ts';
import type { Uploads } from './uploads.ts';
import { writeThrough } from './write.ts';

/** Writes that go through to the storage and leave their bytes here on the way. */
export interface UploadWrites {
  put(write: ObjectWrite): Promise<S3Response>;
  part(write: ObjectWrite): Promise<S3Response>;
  complete(write: ObjectWrite): Promise<S3Response>;
  delete(write: ObjectWrite): Promise<S3Response>;
}

export function createUploadWrites(shared: Shared, uploads: Uploads): UploadWrites {
  const { store } = shared;
  return {
    async put(write) {
      const copied = copyUpload(write, store);
      let isTaken = false;
      try {
        const body = copied?.body ?? write.request.body;
        const send = () => write.next({ ...write.request, body });
        return await writeThrough(write.ids, shared, send, ([own], response) => {
          const etag = response.headers.get('etag');
          if (copied === undefined || own?.isAlone() !== true || etag === undefined || !isSuccess(response)) return;
          isTaken = true;
          const { draft, size } = copied;
          keep(
            write,
            own,
            { draft, size, etag: unquoteEtag(etag), counter: 'writesKept', fill: copied.isWhole },
            shared,
          );
        });
      } finally {
        if (!isTaken) copied?.draft.close();
      }
    },

    async part(write) {
      const { request } = write;
      const copied = copyUpload(write, store);
      if (copied === undefined) return write.next(request);
      let isTaken = false;
      try {
        const response = await write.next({ ...request, body: copied.body });
        const etag = response.headers.get('etag');
        if (etag !== undefined && isSuccess(response) && (await copied.isWhole())) {
          isTaken = true;
          const part = { draft: copied.draft, size: copied.size, etag: unquoteEtag(etag) };
          uploads.add(uploadOf(write), Number(request.query.get('partNumber')), part);
        }
        return response;
      } finally {
        if (!isTaken) copied.draft.close();
      }
    },

    async complete(write) {
      const { request, ids } = write;
      const upload = uploadOf(write);
      const isShort = request.bodyLength !== undefined && request.bodyLength <= MAX_DOCUMENT_BYTES;
      if (!isKept(write) || !isShort || !uploads.has(upload)) {
        uploads.forget(upload);
        return writeThrough(ids, shared, () => write.next(request));
      }
      const body = await readBody(request.body, MAX_DOCUMENT_BYTES, 'MalformedXML');
      const parts = uploads.take(upload, body) ?? [];
      let isTaken = false;
      try {
        const send = () => write.next({ ...request, body, bodyLength: body.byteLength });
        return await writeThrough(ids, shared, send, ([own], response) => {
          const etag = etagInDocument(response.body);
          if (parts.length === 0 || own?.isAlone() !== true || etag === undefined) return;
          const size = parts.reduce((sum, part) => sum + part.size, 0);
          const draft = store.draft(write.name, size);
          if (draft === undefined) return;
          isTaken = true;
          assemble(write, own, { parts, draft, size, etag }, shared);
        });
      } finally {
        if (!isTaken) for (const part of parts) part.draft.close();
      }
    },

    delete(write) {
      const { request, rule, ids } = write;
      return writeThrough(
        ids,
        shared,
        () => write.next(request),
        ([own]) => {
          const [id] = ids;
          const isGone = own?.isAlone() === true && !request.query.has('versionId');
          if (isGone && rule?.mode === 'exclusive' && id !== undefined) shared.absent.set(id, true);
        },
      );
    },
  };
}

/** A CompleteMultipartUpload of 10,000 parts with checksums. */
const MAX_DOCUMENT_BYTES = 4 * 2 ** 20;

interface CopiedUpload {
  readonly draft: Draft;
  readonly size: number;
  readonly body: Body;
  readonly isWhole: () => Promise<boolean>;
}

/** Begins to copy an upload's bytes; undefined where they are not wanted or there is no room. */
function copyUpload(write: ObjectWrite, store: CacheStore): CopiedUpload | undefined {
  const { body, bodyLength: size } = write.request;
  if (size === undefined || !isKept(write)) return undefined;
  const draft = store.draft(write.name, size);
  if (draft === undefined) return undefined;
  if (body instanceof Readable) return { draft, size, ...copyOnTheWay(body, size, draft) };
  const bytes = body ?? new Uint8Array(0);
  const isWhole = async () => {
    await concatenate([[bytes]], bytes.byteLength, draft);
    return bytes.byteLength === size;
  };
  return { draft, size, body, isWhole };
}
