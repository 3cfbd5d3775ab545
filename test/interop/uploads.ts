import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { generatedStream } from '../support/generated.ts';
import {
  amzDate,
  type Key,
  presign,
  presignV2,
  signHeader,
  signingKey,
  signV2Header,
  type WireRequest,
} from '../support/slow-verifier.ts';
import { nextSignature, type Signed } from '../vendors/kernel/signature.ts';

/** The digests of `generatedStream(size, seed)`. */
export interface Content {
  readonly size: number;
  readonly seed: number;
  readonly md5: string;
  readonly sha256: string;
  /** Base64. */
  readonly crc32: string;
}

/** Computes them in one pass, holding nothing. */
export async function contentOf(size: number, seed: number): Promise<Content> {
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  let sum = 0;
  for await (const chunk of generatedStream(size, seed)) {
    md5.update(chunk);
    sha256.update(chunk);
    sum = crc32(chunk, sum);
  }
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(sum);
  return { size, seed, md5: md5.digest('hex'), sha256: sha256.digest('hex'), crc32: bytes.toString('base64') };
}

/** One way to send a body. */
interface Mode {
  readonly sign: (request: WireRequest, key: Key, time: Date) => WireRequest;
  readonly headers?: (content: Content) => Readonly<Record<string, string>>;
  readonly chunks?: { readonly isSigned: boolean; readonly hasTrailer: boolean };
  /** Without a Content-Length. */
  readonly hasNoLength?: boolean;
}

const v4: Mode['sign'] = (wire, key, time) => signHeader(wire, { ...key, time });
const trailer = { 'x-amz-trailer': 'x-amz-checksum-crc32' };

/** Every way in which S3 clients send the body of a PUT. */
export const MODES = {
  'UNSIGNED-PAYLOAD': { sign: v4, headers: () => ({ 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }) },
  'hash of the body': { sign: v4, headers: ({ sha256 }) => ({ 'x-amz-content-sha256': sha256 }) },
  'checksum header and Content-MD5': {
    sign: v4,
    headers: (content) => ({
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-amz-sdk-checksum-algorithm': 'CRC32',
      'x-amz-checksum-crc32': content.crc32,
      'content-md5': Buffer.from(content.md5, 'hex').toString('base64'),
    }),
  },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': {
    sign: v4,
    headers: () => ({ 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' }),
    chunks: { isSigned: true, hasTrailer: false },
  },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': {
    sign: v4,
    headers: () => ({ 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', ...trailer }),
    chunks: { isSigned: true, hasTrailer: true },
  },
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER': {
    sign: v4,
    headers: () => ({ 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', ...trailer }),
    chunks: { isSigned: false, hasTrailer: true },
  },
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER without a length': {
    sign: v4,
    headers: () => ({ 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', ...trailer }),
    chunks: { isSigned: false, hasTrailer: true },
    hasNoLength: true,
  },
  'presigned URL': { sign: (wire, key, time) => presign(wire, { ...key, time }) },
  'legacy signature': { sign: (wire, key, time) => signV2Header(wire, { ...key, time }) },
  'legacy presigned URL': {
    sign: (wire, key, time) => presignV2(wire, { ...key, expires: Math.floor(time.getTime() / 1000) + 3600 }),
  },
} as const satisfies Readonly<Record<string, Mode>>;

export type ModeName = keyof typeof MODES;

const CHUNK = 64 * 1024;

/** The content in the making; `count` hears of every block that is taken. */
async function* counted(content: Content, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const block of generatedStream(content.size, content.seed)) {
    count(block.length);
    yield block;
  }
}

function framed(
  source: AsyncIterable<Buffer>,
  {
    content,
    chunks,
    signed,
    key,
  }: {
    readonly content: Content;
    readonly chunks: NonNullable<Mode['chunks']>;
    readonly signed: WireRequest;
    readonly key: Key;
  },
): Readable {
  const timestamp = signed.headers['x-amz-date'] ?? '';
  const day = timestamp.slice(0, 8);
  const context: NonNullable<Signed['chunks']> = {
    key: signingKey(key.secretKey, day, 'us-east-1'),
    scope: `${day}/us-east-1/s3/aws4_request`,
    timestamp,
    seed: /Signature=([0-9a-f]+)/.exec(signed.headers.authorization ?? '')?.[1] ?? '',
  };
  const hash = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');
  let previous = context.seed;
  const head = (chunk: Buffer): string => {
    const size = chunk.length.toString(16);
    if (!chunks.isSigned) return `${size}\r\n`;
    previous = nextSignature(context, previous, { kind: 'PAYLOAD', hashes: [hash(''), hash(chunk)] });
    return `${size};chunk-signature=${previous}\r\n`;
  };
  async function* pieces(): AsyncGenerator<Buffer> {
    for await (const block of source) {
      // A stream joins what it has made in advance.
      for (let at = 0; at < block.length; at += CHUNK) {
        const chunk = block.subarray(at, at + CHUNK);
        yield Buffer.from(head(chunk));
        yield chunk;
        yield Buffer.from('\r\n');
      }
    }
    yield Buffer.from(head(Buffer.alloc(0)));
    if (chunks.hasTrailer) {
      const line = `x-amz-checksum-crc32:${content.crc32}`;
      yield Buffer.from(`${line}\r\n`);
      previous = nextSignature(context, previous, { kind: 'TRAILER', hashes: [hash(`${line}\n`)] });
      if (chunks.isSigned) yield Buffer.from(`x-amz-trailer-signature:${previous}\r\n`);
    }
    yield Buffer.from('\r\n');
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: CHUNK });
}

function framedLength({ size, crc32: sum }: Content, { isSigned, hasTrailer }: NonNullable<Mode['chunks']>): number {
  const frame = (bytes: number): number =>
    bytes.toString(16).length + 2 + (isSigned ? ';chunk-signature='.length + 64 : 0) + (bytes > 0 ? bytes + 2 : 0);
  const rest = size % CHUNK;
  const line = hasTrailer ? 'x-amz-checksum-crc32:'.length + sum.length + 2 : 0;
  const signature = hasTrailer && isSigned ? 'x-amz-trailer-signature:'.length + 64 + 2 : 0;
  return Math.floor(size / CHUNK) * frame(CHUNK) + (rest > 0 ? frame(rest) : 0) + frame(0) + line + signature + 2;
}

/**
 * Uploads generated content to `path` of a service on the loopback, as fast as it takes it.
 * @param count hears of every block that leaves
 * @returns the status and the answer's text
 */
export async function upload(
  content: Content,
  {
    mode,
    port,
    path,
    key,
    count,
  }: {
    readonly mode: ModeName;
    readonly port: number;
    readonly path: string;
    readonly key: Key;
    readonly count: (bytes: number) => void;
  },
): Promise<{ readonly status: number; readonly text: string }> {
  const { sign, headers, chunks, hasNoLength }: Mode = MODES[mode];
  const time = new Date();
  const length = chunks === undefined ? content.size : framedLength(content, chunks);
  const wire: WireRequest = {
    method: 'PUT',
    target: path,
    headers: {
      host: `127.0.0.1:${port}`,
      ...(!hasNoLength && { 'content-length': String(length) }),
      ...(chunks && { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': String(content.size) }),
      ...headers?.(content),
      ...(sign === v4 && { 'x-amz-date': amzDate(time) }),
    },
  };
  const signed = sign(wire, key, time);
  const source = counted(content, count);
  const body =
    chunks === undefined
      ? Readable.from(source, { objectMode: false, highWaterMark: CHUNK })
      : framed(source, { content, chunks, signed, key });
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, method: 'PUT', path: signed.target, headers: signed.headers, agent: false },
      (response) => {
        const answer: Buffer[] = [];
        response.on('data', (chunk: Buffer) => answer.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(answer).toString() }),
        );
      },
    );
    pipeline(body, sent).catch(reject);
  });
}
