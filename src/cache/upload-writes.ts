import { Readable } from 'node:stream';
import { S3Error } from '../s3/error.ts';
import { unquoteEtag } from '../s3/etag.ts';
import type { Body, Handler, S3Request, S3Response } from '../s3/message.ts';
import { childText, parseXml } from '../s3/xml.ts';
import { BLOCK_BYTES, readBlock } from './content.ts';
import { readDocument } from './document.ts';
import type { ObjectName } from './identity.ts';
import { md5Of } from './integrity.ts';
import { mayKeepUpload } from './operations.ts';
import { createOrigin } from './origin.ts';
import { type Blocks, concatenate, keepWritten } from './populate.ts';
import type { Rule } from './rules.ts';
import type { Shared } from './shared.ts';
import type { CacheStore, Draft, Opened } from './store.ts';
import { copyOnTheWay } from './tee.ts';
import type { Uploads } from './uploads.ts';
import { type Write, writeThrough } from './write.ts';

/** One request that writes one object. */
export interface ObjectWrite {
  readonly request: S3Request;
  readonly next: Handler;
  readonly name: ObjectName;
  /** The object under the names of all storages that reach it, its own first. */
  readonly ids: readonly string[];
  /** Undefined where nothing is cached. */
  readonly rule: Rule | undefined;
}

/** Writes that go through to the storage and leave their bytes here on the way. */
export interface UploadWrites {
  put(write: ObjectWrite): Promise<S3Response>;
  /** @param source id of the copied object, where the cache knows it */
  copy(write: ObjectWrite, source: string | undefined): Promise<S3Response>;
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

    async copy(write, source) {
      const stored = isKept(write) && source !== undefined ? store.find(source) : undefined;
      // Opened before: a copy onto itself replaces what is kept.
      const opened = stored && (await store.open(stored));
      let isTaken = false;
      const send = () => write.next(write.request);
      try {
        return await writeThrough(write.ids, shared, send, ([own], response) => {
          const etag = etagInDocument(response.body);
          if (opened === undefined || own?.isAlone() !== true || etag === undefined) return;
          const { size } = opened.description;
          const draft = store.draft(write.name, size);
          if (draft === undefined) return;
          isTaken = true;
          const fill = () => copyContent(opened, draft, etag).finally(opened.content.close);
          keep(write, own, { draft, size, etag, counter: 'copiesKept', fill }, shared);
        });
      } finally {
        if (!isTaken) opened?.content.close();
      }
    },

    async part(write) {
      const { request, ids } = write;
      const copied = copyUpload(write, store);
      if (copied === undefined) return write.next(request);
      let isTaken = false;
      try {
        const response = await write.next({ ...request, body: copied.body });
        const etag = response.headers.get('etag');
        if (etag !== undefined && isSuccess(response) && (await copied.isWhole())) {
          isTaken = true;
          const part = { draft: copied.draft, size: copied.size, etag: unquoteEtag(etag) };
          uploads.add(uploadOf(request, ids), Number(request.query.get('partNumber')), part);
        }
        return response;
      } finally {
        if (!isTaken) copied.draft.close();
      }
    },

    async complete(write) {
      const { request, ids } = write;
      const upload = uploadOf(request, ids);
      const isShort = request.bodyLength !== undefined && request.bodyLength <= MAX_DOCUMENT_BYTES;
      if (!isKept(write) || !isShort || !uploads.has(upload)) {
        return writeThrough(ids, shared, () => write.next(request));
      }
      const body = await readDocument(request.body, MAX_DOCUMENT_BYTES);
      const parts = uploads.take(upload, body) ?? [];
      const close = () => {
        for (const { draft } of parts) draft.close();
      };
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
          const pieces = parts.map((part) => ({ size: part.size, read: part.draft.read }));
          const fill = () =>
            concatenate(pieces, draft)
              .then(() => true)
              .finally(close);
          keep(write, own, { draft, size, etag, counter: 'writesKept', fill }, shared);
        });
      } finally {
        if (!isTaken) close();
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

function isKept({ rule, request }: ObjectWrite): boolean {
  return rule !== undefined && rule.mode !== 'bypass' && mayKeepUpload(request);
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
    await concatenate([blocksOf(bytes)], draft);
    return bytes.byteLength === size;
  };
  return { draft, size, body, isWhole };
}

function blocksOf(bytes: Uint8Array): Blocks {
  return {
    size: bytes.byteLength,
    read: async (index) => bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES),
  };
}

/** What is to be kept after a write. */
interface Product {
  readonly draft: Draft;
  readonly size: number;
  readonly etag: string;
  readonly counter: 'writesKept' | 'copiesKept';
  /** Brings the draft's bytes; false when they are not all there, or not those that were written. */
  readonly fill: () => Promise<boolean>;
}

/** Keeps what was written, in the background; readers whose rule need not ask wait for it. Takes over the draft. */
function keep(write: ObjectWrite, { state }: Write, product: Product, shared: Shared): void {
  const { request, next, name, ids, rule } = write;
  const { states, recorder, log, breakerOf, signal, background } = shared;
  const [id = ''] = ids;
  const { epoch } = state;
  const { draft, etag, size } = product;
  states.hold(id);
  const origin = createOrigin({ next, request, breaker: breakerOf(name.place), signal });
  const work = async (): Promise<void> => {
    try {
      if (!(await product.fill())) return;
      if (await keepWritten({ state, epoch, draft, etag, size }, origin, shared)) recorder.count(product.counter);
    } catch (err) {
      log.info({ err, storage: name.storage, rule: rule?.label }, 'a written object was not kept');
    } finally {
      draft.close();
      if (state.asking === kept) state.asking = undefined;
      states.release(id);
    }
  };
  const kept = work();
  state.asking ??= kept;
  background(kept);
}

/** Copies a version's bytes; whether they are those that the storage's ETag of the copy names. */
async function copyContent({ content, description }: Opened, draft: Draft, etag: string): Promise<boolean> {
  const { size } = description;
  await concatenate([{ size, read: (index) => readBlock(content, size, index) }], draft);
  // The source may have been overwritten behind our back just before: then the copy is of something else.
  return etag === description.etag || etag.toLowerCase() === (await md5Of(size, draft));
}

function uploadOf({ query }: S3Request, [id]: readonly string[]): string {
  return `${id} ${query.get('uploadId') ?? ''}`;
}

function isSuccess({ status }: S3Response): boolean {
  return status >= 200 && status < 300;
}

/** The ETag in the answer to a copy or Complete, unquoted; undefined where it is an error in disguise. */
function etagInDocument(body: Body): string | undefined {
  if (!(body instanceof Uint8Array)) return undefined;
  try {
    const root = parseXml(body);
    const etag = root.name === 'Error' ? undefined : childText(root, 'ETag');
    return etag === undefined ? undefined : unquoteEtag(etag.trim());
  } catch (error) {
    if (error instanceof S3Error) return undefined;
    throw error;
  }
}
