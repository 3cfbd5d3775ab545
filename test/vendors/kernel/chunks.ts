import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { VendorError } from './message.ts';
import { nextSignature, type Signed } from './signature.ts';

const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');
const LARGEST = 16 * 1024 * 1024;

function incomplete(): VendorError {
  return new VendorError(400, 'IncompleteBody', 'The request body terminated unexpectedly.');
}

/** Takes lines and blocks off a stream. */
class Reader {
  readonly #source: AsyncIterator<Buffer>;
  #held = Buffer.alloc(0);

  constructor(source: Readable) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async #more(): Promise<void> {
    const next = await this.#source.next();
    if (next.done === true) throw incomplete();
    this.#held = Buffer.concat([this.#held, next.value]);
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf('\r\n');
      if (end >= 0) return (await this.block(end + 2)).subarray(0, end).toString('latin1');
      if (this.#held.length > 8192) throw incomplete();
      await this.#more();
    }
  }

  async block(size: number): Promise<Buffer> {
    while (this.#held.length < size) await this.#more();
    const block = this.#held.subarray(0, size);
    this.#held = this.#held.subarray(size);
    return block;
  }

  async end(): Promise<void> {
    if (this.#held.length > 0 || (await this.#source.next()).done !== true) throw incomplete();
  }
}

/**
 * Takes `aws-chunked` framing off a body, one chunk in memory at a time, and checks the chunks' signatures.
 * @param trailer filled with the trailing headers
 * @throws VendorError when framing or a signature is wrong
 */
export async function* unframe(
  body: Readable,
  signed: Signed,
  trailer: Record<string, string>,
): AsyncGenerator<Buffer, void, undefined> {
  const reader = new Reader(body);
  const isSigned = signed.payload.startsWith('STREAMING-AWS4-HMAC-SHA256-PAYLOAD');
  let previous = signed.chunks?.seed ?? '';
  const follow = (kind: 'PAYLOAD' | 'TRAILER', hashes: readonly string[], provided: string | undefined): void => {
    if (signed.chunks === undefined) throw new VendorError(400, 'InvalidRequest', 'Chunks cannot be signed here.');
    previous = nextSignature(signed.chunks, previous, { kind, hashes });
    if (previous !== provided)
      throw new VendorError(403, 'SignatureDoesNotMatch', 'The signature of a chunk is wrong.');
  };
  for (;;) {
    const [, hex = '', signature] =
      /^([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(await reader.line()) ?? [];
    const size = Number.parseInt(hex, 16);
    if (Number.isNaN(size) || size > LARGEST) throw incomplete();
    const data = await reader.block(size);
    if (isSigned) follow('PAYLOAD', [sha256(''), sha256(data)], signature);
    if (size === 0) break;
    yield data;
    if ((await reader.block(2)).toString() !== '\r\n') throw incomplete();
  }
  const lines: string[] = [];
  for (let line = await reader.line(); line !== ''; line = await reader.line()) lines.push(line);
  const values = lines.filter((line) => !line.startsWith('x-amz-trailer-signature:'));
  for (const line of values)
    trailer[line.slice(0, line.indexOf(':')).toLowerCase()] = line.slice(line.indexOf(':') + 1);
  if (signed.payload.endsWith('-TRAILER') && isSigned) {
    const provided = lines.find((line) => line.startsWith('x-amz-trailer-signature:'))?.split(':')[1];
    follow('TRAILER', [sha256(values.map((line) => `${line}\n`).join(''))], provided);
  }
  await reader.end();
}
