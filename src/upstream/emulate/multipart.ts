import { S3Error } from '../../s3/error.ts';
import type { Headers } from '../../s3/headers.ts';
import type { Handler, S3Request } from '../../s3/message.ts';
import { buildXml, childText, parseXml, type XmlNode } from '../../s3/xml.ts';
import type { Dialect } from '../dialect.ts';
import { ACCESS_HEADERS, ask, pick, textOf } from './ask.ts';

/** An object that is to be made of parts, on behalf of one request. */
export interface MultipartPlan<Part> {
  /** What the object is to be like: metadata, access, encryption. */
  readonly headers: Headers;
  /** The parts in order; asked for one at a time, and only as fast as they are sent. */
  readonly parts: AsyncIterable<Part> | Iterable<Part>;
  /** Most parts under way. */
  readonly parallel: number;
  /** Sends a part, and gives its ETag as the storage wrote it. */
  readonly send: (part: Part, place: PartPlace) => Promise<string>;
}

export interface PartPlace {
  readonly number: number;
  readonly uploadId: string;
  /** Aborts with the request, and when another part has failed. */
  readonly signal: AbortSignal;
}

/** The object that was made: its ETag as the storage wrote it, and the headers of the answer. */
export interface MadeObject {
  readonly etag: string;
  readonly headers: Headers;
}

const CONDITIONS = /^if-(none-)?match$/;
/** An upload that nobody will finish is given so long to be dropped; the storage's clean-up is there for the rest. */
const ABORT_MS = 10_000;

/**
 * Makes an object of parts. Until all are there nothing of it can be seen; when anything fails the upload is aborted,
 * once no part is under way any more. The request's conditions are put on Complete, and on Create too where the
 * service's own guard must be on both.
 * @throws S3Error as the storage says, or whatever the parts failed with
 */
export async function makeOfParts<Part>(
  request: S3Request,
  plan: MultipartPlan<Part>,
  { next, dialect }: { readonly next: Handler; readonly dialect: Pick<Dialect, 'ifNoneMatch'> },
): Promise<MadeObject> {
  const conditions = pick(request.headers, CONDITIONS);
  const access = pick(request.headers, ACCESS_HEADERS);
  const guard = dialect.ifNoneMatch.by === 'header' ? conditions : [];
  const uploadId = await create(request, new Map([...plan.headers, ...access, ...guard]), next);
  try {
    const etags = await sendAll(request, uploadId, plan);
    const parts = etags.map(
      (etag, index): XmlNode => [
        'Part',
        [
          ['PartNumber', index + 1],
          ['ETag', etag],
        ],
      ],
    );
    const response = await next(
      ask(request, {
        operation: 'CompleteMultipartUpload',
        query: { uploadId },
        headers: new Map([...access, ...conditions]),
        body: Buffer.from(buildXml(['CompleteMultipartUpload', parts])),
      }),
    );
    const etag = childText(parseXml(Buffer.from(await textOf(response))), 'ETag');
    if (etag === undefined) throw noSuch('ETag');
    return { etag, headers: response.headers };
  } catch (error) {
    const signal = AbortSignal.timeout(ABORT_MS);
    const abort = ask(request, { operation: 'AbortMultipartUpload', query: { uploadId }, headers: access, signal });
    // What is thrown is why the upload failed; that it could not be dropped either is for the storage's clean-up.
    await next(abort).catch(() => undefined);
    throw error;
  }
}

async function create(request: S3Request, headers: Headers, next: Handler): Promise<string> {
  const response = await next(ask(request, { operation: 'CreateMultipartUpload', query: { uploads: '' }, headers }));
  const uploadId = childText(parseXml(Buffer.from(await textOf(response))), 'UploadId');
  if (uploadId === undefined || uploadId === '') throw noSuch('UploadId');
  return uploadId;
}

async function sendAll<Part>(request: S3Request, uploadId: string, plan: MultipartPlan<Part>): Promise<string[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([request.signal, stop.signal]);
  const etags: string[] = [];
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let number = 0;
  const start = (part: Part): void => {
    const index = number++;
    const task = plan
      .send(part, { number: index + 1, uploadId, signal })
      .then(
        (etag) => {
          etags[index] = etag;
        },
        (error: unknown) => {
          failures.push(error);
          stop.abort(error);
        },
      )
      .finally(() => running.delete(task));
    running.add(task);
  };
  try {
    for await (const part of plan.parts) {
      if (failures.length > 0) break;
      start(part);
      if (running.size >= plan.parallel) await Promise.race(running);
    }
  } catch (error) {
    failures.push(error);
    stop.abort(error);
  }
  await Promise.all(running);
  if (failures.length > 0) throw failures[0];
  return etags;
}

function noSuch(what: string): S3Error {
  return new S3Error('ServiceUnavailable', { cause: new Error(`the storage answered without ${what}`) });
}
