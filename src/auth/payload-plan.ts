import {
  type BodyChecksum,
  type ChecksumAlgorithm,
  checksumOfHeader,
  isChecksumAlgorithm,
  isChecksumValue,
} from '../s3/checksum.ts';
import { S3Error } from '../s3/error.ts';
import type { Headers } from '../s3/headers.ts';
import type { S3Request } from '../s3/message.ts';
import { bodyKind } from '../s3/operation.ts';

/** What `x-amz-content-sha256` says of the body. */
export type PayloadMode =
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'hash'; readonly sha256: string }
  | { readonly kind: 'chunked'; readonly isSigned: boolean; readonly hasTrailer: boolean };

const SENTINELS: ReadonlyMap<string, PayloadMode> = new Map<string, PayloadMode>([
  ['UNSIGNED-PAYLOAD', { kind: 'unsigned' }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { kind: 'chunked', isSigned: true, hasTrailer: false }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { kind: 'chunked', isSigned: true, hasTrailer: true }],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { kind: 'chunked', isSigned: false, hasTrailer: true }],
]);

/**
 * Reads the value of `x-amz-content-sha256`.
 * @throws S3Error InvalidArgument, or NotImplemented for SigV4a
 */
export function parsePayloadMode(value: string): PayloadMode {
  const sentinel = SENTINELS.get(value);
  if (sentinel !== undefined) return sentinel;
  if (/^[0-9a-fA-F]{64}$/.test(value)) return { kind: 'hash', sha256: value.toLowerCase() };
  if (value.startsWith('STREAMING-AWS4-ECDSA-')) throw new S3Error('NotImplemented');
  throw new S3Error('InvalidArgument', {
    message: 'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING value or a valid sha256 value.',
    detail: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: value },
  });
}

/** All that a body is held against. */
export interface PayloadPlan {
  readonly mode: PayloadMode;
  /** Bytes after decoding; undefined when the client did not say. */
  readonly length: number | undefined;
  /** Base64. */
  readonly md5: string | undefined;
  /** The checksum in a header. */
  readonly checksum: BodyChecksum | undefined;
  /** The algorithm of the checksum that the trailer brings. */
  readonly trailer: ChecksumAlgorithm | undefined;
}

/** S3's limit on an object or part that is sent in one request. */
export const MAX_UPLOAD_BYTES = 5 * 1024 ** 3;

/**
 * Decides from the headers, whose signature has been accepted, what the body must be.
 * @param maxBytes the largest body of an object or part
 * @throws S3Error for headers that contradict one another or the operation
 */
export function planPayload(request: S3Request, mode: PayloadMode, maxBytes: number): PayloadPlan {
  const { headers, operation } = request;
  const isUpload = operation === 'PutObject' || operation === 'UploadPart';
  if (mode.kind === 'chunked' && !isUpload) {
    throw new S3Error('InvalidRequest', { message: 'aws-chunked uploads are for PutObject and UploadPart only.' });
  }
  const length = mode.kind === 'chunked' ? decodedLength(headers) : contentLength(request, isUpload);
  if (isUpload && length === undefined) throw new S3Error('MissingContentLength');
  if (isUpload && length !== undefined && length > maxBytes) {
    throw new S3Error('EntityTooLarge', { detail: { ProposedSize: String(length), MaxSizeAllowed: String(maxBytes) } });
  }
  return { mode, length, ...planDigests(request, mode) };
}

/** Decides by which hashes the body is checked. @throws S3Error for headers that contradict one another */
export function planDigests(
  { headers, operation }: Pick<S3Request, 'headers' | 'operation'>,
  mode: PayloadMode,
): Pick<PayloadPlan, 'md5' | 'checksum' | 'trailer'> {
  const md5 = md5Of(headers);
  // The checksum headers of the other operations speak of an object that exists or will, not of their body.
  const kind = operation === 'CompleteMultipartUpload' ? undefined : bodyKind(operation);
  if (kind === undefined) return { md5, checksum: undefined, trailer: undefined };
  const checksum = headerChecksum(headers);
  const trailer = announcedTrailer(headers, mode);
  if (checksum !== undefined && trailer !== undefined) {
    throw new S3Error('InvalidRequest', { message: 'Expecting a single x-amz-checksum- header or trailer.' });
  }
  checkAlgorithm(headers, checksum?.algorithm ?? trailer);
  if (operation === 'DeleteObjects' && md5 === undefined && checksum === undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    });
  }
  return { md5, checksum, trailer };
}

function decodedLength(headers: Headers): number {
  const text = headers.get('x-amz-decoded-content-length');
  if (text === undefined) throw new S3Error('MissingContentLength');
  return parseLength(text);
}

/** An upload must say its length itself: without a body and without the header nobody knows what was meant. */
function contentLength(request: S3Request, isUpload: boolean): number | undefined {
  const text = request.headers.get('content-length');
  if (text !== undefined) return parseLength(text);
  return isUpload ? undefined : request.bodyLength;
}

function parseLength(text: string): number {
  const length = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(length)) throw new S3Error('InvalidArgument', { message: 'The length is not a number.' });
  return length;
}

function md5Of(headers: Headers): string | undefined {
  const value = headers.get('content-md5');
  if (value === undefined) return undefined;
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== 16 || bytes.toString('base64') !== value) throw new S3Error('InvalidDigest');
  return value;
}

/** Headers of the checksum family that do not carry one. */
const NOT_A_CHECKSUM: ReadonlySet<string> = new Set([
  'x-amz-checksum-algorithm',
  'x-amz-checksum-mode',
  'x-amz-checksum-type',
]);

function headerChecksum(headers: Headers): BodyChecksum | undefined {
  const found: BodyChecksum[] = [];
  for (const [name, value] of headers) {
    if (!name.startsWith('x-amz-checksum-') || NOT_A_CHECKSUM.has(name)) continue;
    const algorithm = checksumOfHeader(name);
    // One that we cannot check must not look as if we had.
    if (algorithm === undefined || !isChecksumValue(algorithm, value)) {
      throw new S3Error('InvalidRequest', { message: `Value for ${name} header is invalid.` });
    }
    found.push({ algorithm, value });
  }
  if (found.length > 1) {
    throw new S3Error('InvalidRequest', {
      message: 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    });
  }
  return found[0];
}

function announcedTrailer(headers: Headers, mode: PayloadMode): ChecksumAlgorithm | undefined {
  const announced = headers.get('x-amz-trailer');
  if (announced === undefined) return undefined;
  const algorithm = checksumOfHeader(announced.toLowerCase());
  if (algorithm === undefined || mode.kind !== 'chunked' || !mode.hasTrailer) {
    throw new S3Error('InvalidRequest', {
      message: 'The value specified in the x-amz-trailer header is not supported',
    });
  }
  return algorithm;
}

/** What the SDK says it used must be what it sent. */
function checkAlgorithm(headers: Headers, used: ChecksumAlgorithm | undefined): void {
  const said = headers.get('x-amz-sdk-checksum-algorithm')?.toUpperCase();
  if (said === undefined || said === used) return;
  throw new S3Error('InvalidRequest', {
    message: !isChecksumAlgorithm(said)
      ? 'Value for x-amz-sdk-checksum-algorithm header is invalid.'
      : 'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
  });
}
