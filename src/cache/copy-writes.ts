import { COPY_RANGE, copyRangeLength } from '../s3/copy-source.ts';
import { S3Error } from '../s3/error.ts';
import type { S3Request, S3Response } from '../s3/message.ts';
import { md5Of } from './integrity.ts';
import { etagInDocument, isKept, type ObjectWrite, uploadOf } from './object-write.ts';
import { bytesOfContent, concatenate, keep } from './populate.ts';
import type { Shared } from './shared.ts';
import type { Draft, Opened } from './store.ts';
import type { Uploads } from './uploads.ts';
import { within } from './within.ts';
import { writeThrough } from './write.ts';

/**
 * Copies that the storage makes by itself: where the source lies here, so does the copy, without a byte over the line.
 * What the storage copied is proven by the ETag of its answer: the source's own, or the MD5 of the bytes.
 */
export interface CopyWrites {
  /** @param source id of the copied object; undefined where the cache cannot know it */
  copy(write: ObjectWrite, source: string | undefined): Promise<S3Response>;
  /** One part of an upload, copied from an object. */
  part(write: ObjectWrite, source: string | undefined): Promise<S3Response>;
}

/** A copy's answer waits for a source that is just being kept: its writer may delete it as soon as it is copied. */
const SOURCE_MS = 5_000;

export function createCopyWrites(shared: Shared, uploads: Uploads): CopyWrites {
  const { store } = shared;
  return {
    async copy(write, source) {
      const opening = await beginOpening(write, source, shared);
      let opened: Opened | undefined;
      let isTaken = false;
      const send = async () => {
        const response = await write.next(write.request);
        opened = await (opening && within(SOURCE_MS, opening.opened));
        return response;
      };
      try {
        return await writeThrough(write.ids, shared, send, ([own], response) => {
          const etag = etagInDocument(response.body);
          const from = opened;
          if (from === undefined || own?.isAlone() !== true || etag === undefined) return;
          const { size } = from.description;
          const draft = store.draft(write.name, size);
          if (draft === undefined) return;
          isTaken = true;
          const fill = () => copyContent(from, draft, etag).finally(from.content.close);
          keep(write, own, { draft, size, etag, counter: 'copiesKept', fill }, shared);
        });
      } finally {
        if (!isTaken && opening) shared.background(opening.opened.then((late) => late?.content.close()));
      }
    },

    async part(write, source) {
      const opening = await beginOpening(write, source, shared);
      if (opening === undefined) return write.next(write.request);
      // While the storage copies, so do we.
      const copying = opening.opened
        .then((opened) => opened && copyRange(opened, write, shared))
        // What fails here is only the copy that stays.
        .catch(() => undefined);
      let isTaken = false;
      try {
        const response = await write.next(write.request);
        const etag = etagInDocument(response.body);
        const copied = await within(SOURCE_MS, copying);
        if (copied === undefined || etag === undefined || copied.md5 !== etag.toLowerCase()) return response;
        isTaken = true;
        const { draft, size } = copied;
        uploads.add(uploadOf(write), Number(write.request.query.get('partNumber')), { draft, size, etag });
        return response;
      } finally {
        if (!isTaken) shared.background(copying.then((copied) => copied?.draft.close()));
      }
    },
  };
}

/**
 * Begins to open a copy's source; undefined where that is of no use. One that is here already has been opened when this
 * resolves, for a copy onto itself replaces what is kept; one that is just being kept comes later. It never rejects, and
 * whoever asked closes it.
 */
async function beginOpening(
  write: ObjectWrite,
  source: string | undefined,
  { store, states }: Shared,
): Promise<{ readonly opened: Promise<Opened | undefined> } | undefined> {
  if (source === undefined || !isKept(write)) return undefined;
  const open = async (): Promise<Opened | undefined> => {
    const stored = store.find(source);
    return stored && (await store.open(stored));
  };
  const state = states.hold(source);
  // One that was just written may have to be shown by the storage, and put together, before it is.
  const { asking } = state;
  const isHere = store.find(source) !== undefined;
  const untilHere = async (): Promise<void> => {
    await asking;
    await state.fill?.kept;
  };
  const opened = (isHere ? open() : untilHere().then(open))
    .catch(() => undefined)
    .finally(() => states.release(source));
  if (isHere) await opened;
  return { opened };
}

/** Copies a version's bytes; whether they are those that the storage's ETag of the copy names. */
async function copyContent({ content, description }: Opened, draft: Draft, etag: string): Promise<boolean> {
  const { size } = description;
  await concatenate([bytesOfContent(content, 0, size - 1)], size, draft);
  // The source may have been overwritten behind our back just before: then the copy is of something else.
  return etag === description.etag || etag.toLowerCase() === (await md5Of(size, draft));
}

interface CopiedRange {
  readonly draft: Draft;
  readonly size: number;
  readonly md5: string;
}

/** Copies what a part is to hold. Closes the source. Undefined when the range is wrong or there is no room. */
async function copyRange(
  { content, description }: Opened,
  { request, name }: ObjectWrite,
  { store }: Shared,
): Promise<CopiedRange | undefined> {
  try {
    const range = rangeOf(request, description.size);
    if (range === undefined) return undefined;
    const size = range.end - range.start + 1;
    const draft = store.draft(name, size);
    if (draft === undefined) return undefined;
    try {
      await concatenate([bytesOfContent(content, range.start, range.end)], size, draft);
      return { draft, size, md5: await md5Of(size, draft) };
    } catch (error) {
      draft.close();
      throw error;
    }
  } finally {
    content.close();
  }
}

/** The bytes that a part copies, both ends included; undefined where the storage is to say what is wrong with them. */
function rangeOf({ headers }: S3Request, size: number): { readonly start: number; readonly end: number } | undefined {
  try {
    const length = copyRangeLength(headers) ?? size;
    const start = Number(/^bytes=(\d+)-/.exec(headers.get(COPY_RANGE) ?? '')?.[1] ?? 0);
    return length > 0 && start + length <= size ? { start, end: start + length - 1 } : undefined;
  } catch (error) {
    if (error instanceof S3Error) return undefined;
    throw error;
  }
}
