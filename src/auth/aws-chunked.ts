import { S3Error } from '../s3/error.ts';
import { trimBlanks } from './blanks.ts';
import { type ChunkSigner, EMPTY_SHA256 } from './chunk-signature.ts';

/** Takes the framing off an aws-chunked body. Errors are thrown from `write` and `end`, and final. */
export interface ChunkDecoder {
  /** Reads some framed bytes, and gives the payload among them to `onData`. */
  write(bytes: Buffer): void;
  /** Tells that the framed bytes are over. @returns the announced trailer's value */
  end(): string | undefined;
}

export interface ChunkDecoderOptions {
  /** Payload bytes, as declared in `x-amz-decoded-content-length`. */
  readonly decodedLength: number;
  /** Checks chunk and trailer signatures; undefined when chunks are not signed. */
  readonly signer: ChunkSigner | undefined;
  readonly hasTrailer: boolean;
  /** The header that the trailer brings; undefined when none was announced. */
  readonly trailerName: string | undefined;
  /** Takes payload bytes, which are a view of what was written. A chunk's signature comes after its bytes. */
  readonly onData: (bytes: Buffer) => void;
}

/** Only the last chunk may be smaller: AWS's rule, which also keeps a flood of one-byte chunks away. */
const MIN_CHUNK_BYTES = 8192;
/** For signed chunks. Clients that do not sign send the whole body as one chunk (Go SDK v2, Rust SDK). */
const MAX_SIGNED_CHUNK_BYTES = 16 * 1024 * 1024;
const MAX_CHUNK_HEADER_BYTES = 4096;
const MAX_TRAILER_BYTES = 1024;
/** The C SDK writes a semicolon with nothing behind it. */
const UNSIGNED_CHUNK = /^(0|[1-9a-fA-F][0-9a-fA-F]{0,12});?$/;
const SIGNED_CHUNK = /^(0|[1-9a-fA-F][0-9a-fA-F]{0,12});chunk-signature=(\S*)$/;
const LF = 10;

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
 *
 * Errors: IncompleteBody for broken framing and for lengths that differ from those declared,
 * InvalidChunkSizeError, SignatureDoesNotMatch, MalformedTrailerError.
 */
export function createChunkDecoder(options: ChunkDecoderOptions): ChunkDecoder {
  const { decodedLength, signer, hasTrailer, onData } = options;
  let state: 'header' | 'data' | 'data-end' | 'trailer' | 'done' = 'header';
  let line = '';
  let trailerBytes = 0;
  let chunkSize = 0;
  let chunkLeft = 0;
  let chunkSignature = '';
  let decoded = 0;
  const trailers = createTrailers(options);

  const startChunk = (header: string): void => {
    const match = (signer === undefined ? UNSIGNED_CHUNK : SIGNED_CHUNK).exec(header);
    if (match === null) throw incomplete('A chunk header is malformed.');
    const size = Number.parseInt(match[1] ?? '', 16);
    if (size > decodedLength - decoded) throw incomplete('There are more bytes than x-amz-decoded-content-length.');
    if (size > 0 && decoded > 0 && chunkSize < MIN_CHUNK_BYTES) throw new S3Error('InvalidChunkSizeError');
    if (signer !== undefined && size > MAX_SIGNED_CHUNK_BYTES) {
      throw new S3Error('InvalidChunkSizeError', { message: 'A signed chunk may have at most 16 MiB.' });
    }
    chunkSize = size;
    chunkLeft = size;
    chunkSignature = match[2] ?? '';
    if (size > 0) {
      state = 'data';
      return;
    }
    if (decoded < decodedLength) throw incomplete('There are fewer bytes than x-amz-decoded-content-length.');
    signer?.checkChunk(EMPTY_SHA256, chunkSignature);
    state = hasTrailer ? 'trailer' : 'data-end';
  };

  const endLine = (text: string): void => {
    if (state === 'header') startChunk(text);
    else if (state === 'data-end') {
      if (text !== '') throw incomplete('A chunk has more bytes than its header says.');
      state = chunkSize === 0 ? 'done' : 'header';
    } else if (text === '') {
      trailers.finish();
      state = 'done';
    } else trailers.add(text);
  };

  const takeData = (bytes: Buffer): void => {
    decoded += bytes.length;
    chunkLeft -= bytes.length;
    signer?.update(bytes);
    onData(bytes);
    if (chunkLeft > 0) return;
    signer?.checkChunk(undefined, chunkSignature);
    state = 'data-end';
  };

  /** Reads up to the next line end. A line may lie in several writes. @returns how many bytes it took */
  const takeLine = (bytes: Buffer, from: number): number => {
    const isTrailer = state === 'trailer';
    const lineFeed = bytes.indexOf(LF, from);
    const end = lineFeed < 0 ? bytes.length : lineFeed + 1;
    const limit = isTrailer ? MAX_TRAILER_BYTES - trailerBytes : MAX_CHUNK_HEADER_BYTES;
    if (line.length + end - from > limit) {
      throw isTrailer ? malformedTrailer() : incomplete('A chunk header is too long.');
    }
    line += bytes.toString('latin1', from, end);
    if (lineFeed < 0) return end;
    if (line.endsWith('\r\n')) {
      const text = line.slice(0, -2);
      if (isTrailer) trailerBytes += line.length;
      line = '';
      endLine(text);
    } else if (!isTrailer) {
      throw incomplete('A line of the framing does not end in CR LF.');
    }
    return end;
  };

  return {
    write(bytes) {
      let at = 0;
      while (at < bytes.length) {
        if (state === 'done') throw incomplete('There are bytes after the last chunk.');
        if (state === 'data') {
          const end = Math.min(bytes.length, at + chunkLeft);
          takeData(bytes.subarray(at, end));
          at = end;
        } else {
          at = takeLine(bytes, at);
        }
      }
    },
    end() {
      if (state !== 'done') throw incomplete('The body ended before its last chunk.');
      return trailers.value();
    },
  };
}

interface Trailers {
  add(line: string): void;
  finish(): void;
  value(): string | undefined;
}

/** Reads the lines after the last chunk: what was announced, once, then the signature if chunks are signed. */
function createTrailers({ trailerName, signer }: ChunkDecoderOptions): Trailers {
  let value: string | undefined;
  let isSigned = false;
  return {
    add(line) {
      // Some clients (minio-go) put the line feed of the string they sign on the wire, before CR LF.
      const text = line.endsWith('\n') ? line.slice(0, -1) : line;
      const colon = text.indexOf(':');
      if (colon < 1 || /[\r\n]/.test(text) || isSigned) throw malformedTrailer();
      const name = text.slice(0, colon).toLowerCase();
      const given = trimBlanks(text.slice(colon + 1));
      if (name === 'x-amz-trailer-signature' && signer !== undefined) {
        if (trailerName !== undefined && value === undefined) throw malformedTrailer();
        signer.checkTrailer(trailerName === undefined ? '' : `${trailerName}:${value}\n`, given);
        isSigned = true;
        return;
      }
      if (name !== trailerName || value !== undefined) throw malformedTrailer();
      value = given;
    },
    finish() {
      if ((trailerName !== undefined && value === undefined) || (signer !== undefined && !isSigned)) {
        throw malformedTrailer();
      }
    },
    value: () => value,
  };
}

function incomplete(message: string): S3Error {
  return new S3Error('IncompleteBody', { message });
}

function malformedTrailer(): S3Error {
  return new S3Error('MalformedTrailerError');
}
