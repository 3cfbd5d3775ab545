import { Readable } from 'node:stream';
import { S3Error } from '../s3/error.ts';
import type { Body } from '../s3/message.ts';

/** A `multipart/form-data` body read up to the bytes of its file. */
export interface Form {
  /** The fields before the file; names in lower case, each once. */
  readonly fields: ReadonlyMap<string, string>;
  readonly filename: string;
  /** Framed bytes before those of the file. */
  readonly fileStart: number;
  /** What surrounds the file's end: CR LF, two hyphens, the boundary. */
  readonly delimiter: Buffer;
  /** Bytes already read that follow `fileStart`. */
  readonly ahead: Buffer;
  /** The next bytes of the body; undefined at its end. */
  readonly pull: () => Promise<Buffer | undefined>;
  /** Lets go of the body. */
  readonly drop: () => void;
}

/** All that may come before the file, so that nobody is made to hold much for a stranger. */
const MAX_BEFORE_FILE = 64 * 1024;
const MAX_FIELD_BYTES = 20 * 1024;
const MAX_PARTS = 100;
const MAX_PART_HEADER = 2048;
const BOUNDARY = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;.*)?$/i;

/**
 * Reads the fields of a form (RFC 7578) until its file begins. What S3 calls the file is the part named `file`;
 * whatever comes after it is not looked at.
 * @param source owned by the result from here on; let go of when this throws
 * @throws S3Error PreconditionFailed for another content type, MalformedPOSTRequest,
 * MaxPostPreDataLengthExceededError, InvalidArgument for a field given twice
 */
export async function readForm(source: Body, contentType: string | undefined): Promise<Form> {
  const match = BOUNDARY.exec(contentType ?? '');
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) {
    throw new S3Error('PreconditionFailed', {
      message: 'Bucket POST must be of the enclosure-type multipart/form-data',
    });
  }
  const stream = source instanceof Readable ? source : Readable.from(source === null ? [] : [Buffer.from(source)]);
  const iterator: AsyncIterator<Buffer> = stream.iterator({ destroyOnReturn: false });
  const pull = async (): Promise<Buffer | undefined> => {
    const next = await iterator.next();
    return next.done ? undefined : next.value;
  };
  const drop = (): void => {
    stream.destroy();
  };
  try {
    return await readFields({ pull, drop }, boundary);
  } catch (error) {
    drop();
    throw error;
  }
}

async function readFields(input: Pick<Form, 'pull' | 'drop'>, boundary: string): Promise<Form> {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  const reader = new BoundedReader(input.pull);
  const fields = new Map<string, string>();
  let fieldBytes = 0;
  // The first delimiter has no line end before it.
  let end = await reader.find(delimiter.subarray(2), 0);
  if (end !== 0) throw malformed();
  let at = delimiter.length - 2;
  for (let parts = 0; parts < MAX_PARTS; parts++) {
    const headerEnd = await reader.find(PART_HEADER_END, at);
    if (headerEnd - at > MAX_PART_HEADER) throw malformed();
    const part = parsePartHeader(reader.text(at, headerEnd));
    at = headerEnd + PART_HEADER_END.length;
    if (part.name === 'file') {
      const ahead = reader.rest(at);
      return { ...input, fields, filename: part.filename ?? '', fileStart: at, delimiter, ahead };
    }
    end = await reader.find(delimiter, at);
    fieldBytes += part.name.length + end - at;
    if (fieldBytes > MAX_FIELD_BYTES) throw new S3Error('MaxPostPreDataLengthExceededError');
    if (fields.has(part.name)) {
      throw new S3Error('InvalidArgument', {
        message: 'A form field was given twice.',
        detail: { ArgumentName: part.name },
      });
    }
    fields.set(part.name, decodeText(reader.bytes(at, end)));
    at = end + delimiter.length;
  }
  throw malformed();
}

const PART_HEADER_END = Buffer.from('\r\n\r\n');

/** Collects what comes before the file in one buffer of fixed size: tiny chunks must not cost copies of all. */
class BoundedReader {
  readonly #pull: () => Promise<Buffer | undefined>;
  readonly #buffer = Buffer.allocUnsafe(MAX_BEFORE_FILE);
  #length = 0;
  /** What did not fit. */
  #over: Buffer = Buffer.alloc(0);

  constructor(pull: () => Promise<Buffer | undefined>) {
    this.#pull = pull;
  }

  /** Where `wanted` begins, at `from` or later, once it has arrived. */
  async find(wanted: Buffer, from: number): Promise<number> {
    let start = from;
    for (;;) {
      const at = this.#buffer.subarray(0, this.#length).indexOf(wanted, start);
      if (at >= 0) return at;
      // What is wanted may have begun in the last bytes.
      start = Math.max(from, this.#length - wanted.length + 1);
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    if (this.#length === this.#buffer.length) throw new S3Error('MaxPostPreDataLengthExceededError');
    const chunk = await this.#pull();
    if (chunk === undefined) throw malformed();
    const fitting = chunk.copy(this.#buffer, this.#length);
    this.#length += fitting;
    if (fitting < chunk.length) this.#over = chunk.subarray(fitting);
  }

  bytes(from: number, to: number): Buffer {
    return this.#buffer.subarray(from, to);
  }

  text(from: number, to: number): string {
    return this.#buffer.toString('latin1', from, to);
  }

  /** All from there on, in a copy. */
  rest(from: number): Buffer {
    return Buffer.concat([this.#buffer.subarray(from, this.#length), this.#over]);
  }
}

interface PartHeader {
  readonly name: string;
  readonly filename: string | undefined;
}

/** @param text from the boundary to the empty line: begins with the rest of the boundary's line */
function parsePartHeader(text: string): PartHeader {
  const [first, ...lines] = text.split('\r\n');
  // A closing boundary (`--`) here means that there is no file.
  if (first === undefined || first.trim() !== '') {
    throw first?.startsWith('--') ? new S3Error('IncorrectNumberOfFilesInPostRequest') : malformed();
  }
  const dispositions = lines.filter((line) => /^content-disposition\s*:/i.test(line));
  const [disposition] = dispositions;
  if (disposition === undefined || dispositions.length > 1 || !/:\s*form-data\s*;/i.test(disposition))
    throw malformed();
  const name = parameter(disposition, 'name');
  if (name === undefined || name === '') throw malformed();
  return { name: name.toLowerCase(), filename: parameter(disposition, 'filename') };
}

/** Browsers write `"` as %22 and line ends as %0D%0A in there, others escape with a backslash. */
function parameter(disposition: string, name: string): string | undefined {
  const match = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]+))`, 'i').exec(disposition);
  const value = match?.[1]?.replace(/\\(["\\])/g, '$1').replaceAll('%22', '"') ?? match?.[2];
  return value === undefined ? undefined : decodeText(Buffer.from(value, 'latin1'));
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new S3Error('MalformedPOSTRequest', { message: 'A form field is not UTF-8.', cause });
  }
}

function malformed(): S3Error {
  return new S3Error('MalformedPOSTRequest');
}
