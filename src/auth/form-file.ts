import { Readable } from 'node:stream';
import { S3Error } from '../s3/error.ts';
import type { Form } from './multipart-form.ts';

/** How many bytes a form's file may have, both ends included. */
export interface SizeRange {
  readonly min: number;
  readonly max: number;
}

/** The bytes of a form's file. */
export interface FormFile {
  readonly body: Readable | Uint8Array;
  /** Undefined when the body is long and the client did not say how long the form is. */
  readonly length: number | undefined;
}

/** A file that ends within this is read whole before it goes on: then its length is known for certain. */
const READ_AHEAD = 256 * 1024;
/** What may come after the file: it is searched for another file and otherwise not looked at. */
const MAX_AFTER_FILE = 20 * 1024;

/**
 * Opens the file of a form. Its last bytes come only after the form has been seen to end well and the size to lie
 * within the range.
 *
 * A longer file's length is taken from the form's own, on the assumption that the file is its last field and that
 * the form ends as all clients end it; otherwise the body fails. AWS buffers and can do without.
 * @param contentLength of the whole form
 * @throws S3Error what the stream fails with, when it fails early
 */
export async function openFormFile(form: Form, range: SizeRange, contentLength: number | undefined): Promise<FormFile> {
  const closing = form.delimiter.length + '--\r\n'.length;
  const promised = contentLength === undefined ? undefined : contentLength - form.fileStart - closing;
  if (promised !== undefined && promised > range.max + MAX_AFTER_FILE) throw tooLarge(range);
  const length: Length = { promised: undefined, known: undefined };
  const bytes = fileBytes(form, range, length);
  const ahead: Buffer[] = [];
  for (let size = 0; size <= READ_AHEAD; ) {
    const next = await bytes.next();
    if (next.done) {
      const body = Buffer.concat(ahead);
      return { body, length: body.length };
    }
    size += next.value.length;
    ahead.push(next.value);
  }
  length.promised = promised;
  return { body: Readable.from(chain(ahead, bytes), { objectMode: false }), length: length.known ?? promised };
}

/** What is known of a file's length while it is read. */
interface Length {
  /** Taken from the length of the form, and handed on as that of the file. */
  promised: number | undefined;
  /** Counted, once the end has been seen. */
  known: number | undefined;
}

async function* chain(ahead: readonly Buffer[], rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* ahead;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

/** The file's bytes up to the boundary, always one chunk behind. */
async function* fileBytes(form: Form, range: SizeRange, length: Length): AsyncGenerator<Buffer, undefined> {
  const { delimiter, pull, drop } = form;
  let unread = form.ahead;
  let held: Buffer | undefined;
  let size = 0;
  const count = (bytes: Buffer): Buffer => {
    size += bytes.length;
    if (size > range.max) throw tooLarge(range);
    return bytes;
  };
  try {
    for (;;) {
      const end = unread.indexOf(delimiter);
      if (end >= 0) {
        const last = count(unread.subarray(0, end));
        if (size < range.min) throw tooSmall(size, range);
        const isLast = await checkTail(unread.subarray(end + delimiter.length), form);
        length.known = size;
        if (length.promised !== undefined && !isLast) {
          throw new S3Error('MalformedPOSTRequest', {
            message: 'The file must be the last field of a form this long.',
          });
        }
        if (held !== undefined) yield held;
        if (last.length > 0) yield last;
        return;
      }
      // The boundary may have begun in the last bytes.
      const ready = unread.length - delimiter.length + 1;
      if (ready > 0) {
        if (held !== undefined) yield held;
        held = count(unread.subarray(0, ready));
        unread = unread.subarray(ready);
      }
      const next = await pull();
      if (next === undefined) throw new S3Error('IncompleteBody');
      unread = Buffer.concat([unread, next]);
    }
  } finally {
    drop();
  }
}

/** Reads what follows the file. @returns whether the form ended right there */
async function checkTail(start: Buffer, { pull, delimiter }: Form): Promise<boolean> {
  const chunks = [start];
  let size = start.length;
  for (let next = await pull(); next !== undefined; next = await pull()) {
    size += next.length;
    if (size > MAX_AFTER_FILE) throw new S3Error('MalformedPOSTRequest');
    chunks.push(next);
  }
  const tail = Buffer.concat(chunks).toString('latin1');
  if (tail === '--\r\n') return true;
  const boundary = delimiter.toString('latin1');
  const closing = tail.startsWith('--') ? 0 : tail.indexOf(`${boundary}--`);
  if (closing < 0 || (closing > 0 && !tail.startsWith('\r\n'))) throw new S3Error('MalformedPOSTRequest');
  if (tail.split('\r\n').some(isFilePart)) {
    throw new S3Error('IncorrectNumberOfFilesInPostRequest');
  }
  return false;
}

/** Whether a line is the header of a part named `file`. A line by itself, so that matching stays linear. */
function isFilePart(line: string): boolean {
  return /^content-disposition\s*:.*[;\s]name="?file"?\s*(?:;|$)/i.test(line);
}

function tooLarge({ max }: SizeRange): S3Error {
  return new S3Error('EntityTooLarge', { detail: { MaxSizeAllowed: String(max) } });
}

function tooSmall(size: number, { min }: SizeRange): S3Error {
  return new S3Error('EntityTooSmall', { detail: { ProposedSize: String(size), MinSizeAllowed: String(min) } });
}
