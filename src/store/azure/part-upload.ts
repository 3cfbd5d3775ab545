import { createHash, randomBytes } from 'node:crypto';
import { createChecksum } from '../../s3/checksum.ts';
import { S3Error } from '../../s3/error.ts';
import { partChecksum } from '../multipart-checksum.ts';
import type { Checksum, UploadPartInput, WrittenPart } from '../object-store.ts';
import { type LastBlock, packBlockId, RANDOM_BYTES } from './block-id.ts';
import { MAX_BLOCK, putBlock, putWholeBlock, TELLS_MD5 } from './blocks.ts';
import { BodyReader } from './body-reader.ts';
import { checkContainer } from './buckets.ts';
import type { Context } from './context.ts';
import type { BlobAddress } from './copy-blob.ts';
import { canKeepChecksum } from './parts.ts';
import { stagingOf } from './uploads.ts';

/** The end of a part, held in memory until all of the part has been verified; and the longest part held whole. */
const TAIL = 256 * 1024;
/** Where no size is known beforehand, a part goes in pieces of this size, each held in memory. */
const PIECE = 4 * 1024 * 1024;

/**
 * Takes a part in. Only the block whose id tells its MD5 makes it a part, and that comes when all else has been
 * acknowledged and verified: what breaks off or fails its checks is none, and replaces none. Where the MD5 is known
 * without our computing it, the part is one block and the telling one holds nothing of it (decision 0012); else all but
 * its end is sent as it comes, and the end tells.
 */
export async function uploadPart(context: Context, input: UploadPartInput, signal: AbortSignal): Promise<WrittenPart> {
  const { client, uploads } = context;
  let md5: ReturnType<typeof createHash> | undefined;
  let summing: ReturnType<typeof createChecksum> | undefined;
  const reader = new BodyReader(input.body, signal, (chunk) => {
    md5?.update(chunk);
    summing?.update(chunk);
  });
  try {
    checkContainer(input.bucket);
    const mode = (await uploads.find(input, signal)).checksum;
    const isSummed = mode !== undefined && input.claims?.algorithm === mode.algorithm;
    if (mode !== undefined && !isSummed) summing = createChecksum(mode.algorithm);
    // What was held against the client's own need not be computed again.
    const checksumOf = () => partChecksum(mode, input.checksum(), summing?.digest() ?? input.checksum()?.value);
    const place = stagingOf(input);
    const attempt = uploads.nextAttempt(context.now());
    const lastModified = new Date(attempt);
    const random = randomBytes(RANDOM_BYTES);
    const { partNumber } = input;
    let sequence = 0;
    const idOf = (last: LastBlock | undefined) =>
      packBlockId({ partNumber, sequence: sequence++, attempt, random, last });
    const tell = async (etag: string, end: Buffer | undefined): Promise<WrittenPart> => {
      const checksum = checksumOf();
      const last = { isBare: end === undefined, md5: etag, checksum };
      await putBlock(client, place, idOf(last), end ?? Buffer.alloc(1), signal);
      return { etag, lastModified, checksum };
    };
    const length = await lengthInOne(context, place, input, mode);
    if (length !== undefined) {
      const claimed = input.claims?.md5;
      return tell(await putWholeBlock(client, place, idOf(undefined), { reader, length }, claimed, signal), undefined);
    }
    md5 = createHash('md5');
    const end = await sendAllButEnd(reader, input.length, (body) =>
      putBlock(client, place, idOf(undefined), body, signal),
    );
    return await tell(md5.digest('hex'), end.byteLength === 0 ? undefined : end);
  } finally {
    reader.close();
  }
}

/** The length of a part that goes as one block, whose MD5 the client said or Azure will; undefined for any other. */
async function lengthInOne(
  { traits }: Context,
  place: BlobAddress,
  { length, partNumber, claims }: UploadPartInput,
  mode: Pick<Checksum, 'algorithm'> | undefined,
): Promise<number | undefined> {
  if (claims === undefined || length === undefined || length <= TAIL) return undefined;
  // The block that tells is not committed, and an object is to know the checksums of its parts.
  if (!canKeepChecksum(partNumber, mode?.algorithm)) return undefined;
  if (claims.md5 !== undefined) return length <= MAX_BLOCK ? length : undefined;
  return length <= TELLS_MD5.maxBlock && (await traits.tellsMd5(place)) ? length : undefined;
}

type BlockBody = Parameters<typeof putBlock>[3];

/** @returns the end of the body, which is empty only when all of it is */
async function sendAllButEnd(
  reader: BodyReader,
  length: number | undefined,
  send: (body: BlockBody) => Promise<void>,
): Promise<Buffer> {
  if (length === undefined) {
    let piece = await reader.read(PIECE);
    while (piece.byteLength === PIECE) {
      const next = await reader.read(PIECE);
      if (next.byteLength === 0) break;
      await send(piece);
      piece = next;
    }
    return piece;
  }
  for (let left = length - Math.min(length, TAIL); left > 0; ) {
    const size = Math.min(left, MAX_BLOCK);
    await send({ reader, length: size });
    left -= size;
  }
  const tail = await reader.read(Math.min(length, TAIL));
  if (tail.byteLength < Math.min(length, TAIL)) throw new S3Error('IncompleteBody');
  await reader.expectEnd();
  return tail;
}
