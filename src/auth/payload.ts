import { Readable } from 'node:stream';
import { type BodyChecksum, checksumHeader } from '../s3/checksum.ts';
import { S3Error } from '../s3/error.ts';
import type { Body } from '../s3/message.ts';
import { type ChunkDecoder, createChunkDecoder } from './aws-chunked.ts';
import { type ChunkSeed, createChunkSigner } from './chunk-signature.ts';
import { createDigests, type Digests } from './digests.ts';
import type { PayloadPlan } from './payload-plan.ts';

/** A body that fails unless it is what its plan says. */
export interface VerifiedPayload {
  readonly body: Body;
  readonly length: number | undefined;
  /** The client's checksum, once the body has ended and it was found right. */
  readonly checksum: () => BodyChecksum | undefined;
}

/**
 * Puts the checks of a plan around a body. An empty body is checked at once, and no stream is made.
 * @param source owned by the result's body from here on; not touched before that is read
 * @param seed what chunks are signed with; needed when the plan's chunks are signed
 * @throws S3Error when the body is empty and should not be
 */
export function verifyPayload(source: Body, plan: PayloadPlan, seed: ChunkSeed | undefined): VerifiedPayload {
  if (source === null) {
    if (plan.mode.kind === 'chunked' || (plan.length ?? 0) > 0) throw new S3Error('IncompleteBody');
    // Nearly every GET.
    if (isPlainlyEmpty(plan)) return EMPTY;
    const digests = createDigests(plan);
    const checksum = digests.verify(undefined);
    return { body: null, length: 0, checksum: () => checksum };
  }
  const body = new VerifiedBody(source, plan, createDigests(plan), seed);
  return { body, length: plan.length, checksum: () => body.checksum };
}

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const EMPTY: VerifiedPayload = { body: null, length: 0, checksum: () => undefined };

function isPlainlyEmpty({ mode, md5, checksum, trailer }: PayloadPlan): boolean {
  const isRight = mode.kind === 'unsigned' || (mode.kind === 'hash' && mode.sha256 === EMPTY_SHA256);
  return isRight && md5 === undefined && checksum === undefined && trailer === undefined;
}

/** How much is kept until all checks have passed. */
const MAX_HELD_BYTES = 64 * 1024;

/**
 * A body that decodes and checks as it is read. Bytes pass on as they come, but the last of them (64 KiB at
 * most) only when everything was found right, so that what has been read before a failure is never whole.
 * A failure destroys it with an S3Error. The source is attached at the first read: until then the client has
 * not been told to send (100-continue).
 */
class VerifiedBody extends Readable {
  checksum: BodyChecksum | undefined;
  readonly #source: Readable | Uint8Array;
  readonly #length: number | undefined;
  readonly #digests: Digests;
  readonly #decoder: ChunkDecoder | undefined;
  readonly #isHeldBack: boolean;
  #held: Uint8Array | undefined;
  #count = 0;
  #isAttached = false;
  #isEnded = false;
  #isFull = false;

  constructor(source: Readable | Uint8Array, plan: PayloadPlan, digests: Digests, seed: ChunkSeed | undefined) {
    super();
    this.#source = source;
    this.#length = plan.length;
    this.#digests = digests;
    this.#decoder = this.#createDecoder(plan, seed);
    this.#isHeldBack = digests.isChecked || this.#decoder !== undefined;
    // Whoever reads hears of a failure. One who stopped reading and let it be must not end the process by it.
    this.on('error', () => undefined);
  }

  override _read(): void {
    if (!this.#isAttached) this.#attach();
    else if (this.#isFull && this.#source instanceof Readable) {
      this.#isFull = false;
      this.#source.resume();
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#held = undefined;
    if (this.#source instanceof Readable && !this.#isEnded) {
      // It may still fail while it goes; that failure has nobody left to tell.
      this.#source.removeAllListeners('data').on('error', () => undefined);
      this.#source.destroy();
    }
    callback(error);
  }

  #createDecoder({ mode, length, trailer }: PayloadPlan, seed: ChunkSeed | undefined): ChunkDecoder | undefined {
    if (mode.kind !== 'chunked') return undefined;
    // A signed body without a seed would go unchecked.
    if (mode.isSigned && seed === undefined) throw new S3Error('InvalidRequest');
    return createChunkDecoder({
      decodedLength: length ?? 0,
      signer: mode.isSigned && seed !== undefined ? createChunkSigner(seed) : undefined,
      hasTrailer: mode.hasTrailer,
      trailerName: trailer === undefined ? undefined : checksumHeader(trailer),
      onData: (bytes) => this.#take(bytes),
    });
  }

  #attach(): void {
    this.#isAttached = true;
    const source = this.#source;
    if (!(source instanceof Readable)) {
      this.#receive(Buffer.from(source.buffer, source.byteOffset, source.byteLength));
      this.#finish();
      return;
    }
    source
      .on('end', () => this.#finish())
      .on('error', (cause) => this.#fail(cause))
      .on('close', () => this.#fail(new Error('The connection closed within the body.')))
      .on('data', (chunk: Buffer) => {
        this.#receive(chunk);
        if (this.#isFull) source.pause();
      });
  }

  #receive(chunk: Buffer): void {
    if (this.destroyed) return;
    try {
      if (this.#decoder === undefined) this.#take(chunk);
      else this.#decoder.write(chunk);
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(bytes: Buffer): void {
    this.#count += bytes.length;
    if (this.#length !== undefined && this.#count > this.#length) throw new S3Error('IncompleteBody');
    this.#digests.update(bytes);
    if (!this.#isHeldBack) {
      this.#release(bytes);
      return;
    }
    if (bytes.length === 0) return;
    this.#release(this.#held);
    const early = Math.max(0, bytes.length - MAX_HELD_BYTES);
    if (early > 0) this.#release(bytes.subarray(0, early));
    this.#held = bytes.subarray(early);
  }

  #release(bytes: Uint8Array | undefined): void {
    if (bytes !== undefined && !this.push(bytes)) this.#isFull = true;
  }

  #finish(): void {
    if (this.destroyed || this.#isEnded) return;
    try {
      const trailer = this.#decoder?.end();
      if (this.#length !== undefined && this.#count !== this.#length) throw new S3Error('IncompleteBody');
      this.checksum = this.#digests.verify(trailer);
      this.#isEnded = true;
      this.#release(this.#held);
      this.#held = undefined;
      this.push(null);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(cause: unknown): void {
    if (this.#isEnded) return;
    this.destroy(cause instanceof S3Error ? cause : new S3Error('IncompleteBody', { cause }));
  }
}
