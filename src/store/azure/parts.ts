import type { ChecksumAlgorithm } from '../../s3/checksum.ts';
import { childText, type XmlElement } from '../../s3/xml.ts';
import type { Checksum, ObjectPlace, PartInfo } from '../object-store.ts';
import { type BlockId, CHECKSUM_BYTES, unpackBlockId } from './block-id.ts';
import type { AzureClient } from './client.ts';
import type { BlobAddress } from './copy-blob.ts';
import { blobName } from './names.ts';

/** A part that has arrived whole. */
export interface StoredPart {
  readonly partNumber: number;
  readonly size: number;
  /** MD5, hex. */
  readonly etag: string;
  readonly lastModified: Date;
  readonly checksum: Checksum | undefined;
  /** Ids to commit, in order; none for an empty part. */
  readonly blocks: readonly string[];
  /** Whether these tell the checksum, so that the object will know it by them. */
  readonly tellsChecksum: boolean;
}

interface ListedBlock {
  readonly id: string;
  readonly size: number;
  readonly told: BlockId;
}

/** The parts of an upload that are there, by number. Of one that was sent more than once, the one begun last. */
export async function readParts(client: AzureClient, place: BlobAddress, signal?: AbortSignal): Promise<StoredPart[]> {
  const attempts = Map.groupBy(
    await readBlocks(client, place, 'all', signal),
    ({ told }) => `${told.partNumber} ${told.attempt} ${told.random.toString('hex')}`,
  );
  const newest = new Map<number, StoredPart>();
  for (const blocks of attempts.values()) {
    const part = partOf(blocks);
    const rival = part && newest.get(part.partNumber);
    if (part !== undefined && (rival === undefined || rival.lastModified <= part.lastModified)) {
      newest.set(part.partNumber, part);
    }
  }
  return [...newest.values()].sort((a, b) => a.partNumber - b.partNumber);
}

/** Bytes of parts' checksums that an object's record has room for, beside the most metadata that S3 allows. */
const MOST_KEPT = 2000;

/** Whether the record has room for the checksum of this part, if it must keep those of all before it too. */
export function canKeepChecksum(partNumber: number, algorithm: ChecksumAlgorithm | undefined): boolean {
  return algorithm === undefined || partNumber * CHECKSUM_BYTES[algorithm] <= MOST_KEPT;
}

/** The checksums of those parts whose blocks will not tell them, one behind the other in base64; undefined for none. */
export function keptChecksums(parts: readonly StoredPart[]): string | undefined {
  const kept = parts.flatMap(({ tellsChecksum, checksum }) =>
    tellsChecksum || checksum === undefined ? [] : [Buffer.from(checksum.value, 'base64')],
  );
  return kept.length === 0 ? undefined : Buffer.concat(kept).toString('base64');
}

/** What an object's description and record tell of its parts. */
export interface KnownParts {
  /** None where the blocks tell. */
  readonly parts: readonly PartInfo[];
  readonly whole: Checksum | undefined;
  readonly kept: string | undefined;
}

/** The parts of an object with their checksums: what its record does not tell, the blocks do that it still consists of. */
export async function tellParts(
  { client }: { readonly client: AzureClient },
  { bucket, key }: ObjectPlace,
  { parts: known, whole, kept }: KnownParts,
  signal: AbortSignal,
): Promise<readonly PartInfo[]> {
  const size = whole === undefined ? 0 : CHECKSUM_BYTES[whole.algorithm];
  const bytes = Buffer.from(kept ?? '', 'base64');
  if (known.length > 0 && bytes.byteLength === known.length * size)
    return withChecksums(known, new Map(), { bytes, whole });
  const blocks = await readBlocks(client, { container: bucket, blob: blobName(key) }, 'committed', signal);
  const sums = new Map(
    blocks.flatMap(({ told }) => (told.last?.checksum ? [[told.partNumber, told.last.checksum]] : [])),
  );
  return withChecksums(known.length > 0 ? known : partsOfBlocks(blocks), sums, { bytes, whole });
}

/** Gives each part the checksum that its blocks tell, else the next of those that are kept in the record. */
function withChecksums(
  parts: readonly PartInfo[],
  told: ReadonlyMap<number, Pick<Checksum, 'algorithm' | 'value'>>,
  { bytes, whole }: { readonly bytes: Buffer; readonly whole: Checksum | undefined },
): readonly PartInfo[] {
  if (whole === undefined) return parts;
  const { algorithm } = whole;
  const size = CHECKSUM_BYTES[algorithm];
  let at = 0;
  return parts.map((part) => {
    let sum = told.get(part.partNumber);
    if (sum === undefined && at + size <= bytes.byteLength) {
      sum = { algorithm, value: bytes.toString('base64', at, at + size) };
      at += size;
    }
    return sum === undefined ? part : { ...part, checksum: { ...sum, type: 'FULL_OBJECT' as const } };
  });
}

function partsOfBlocks(blocks: readonly ListedBlock[]): readonly PartInfo[] {
  const sizes = new Map<number, number>();
  for (const { told, size } of blocks) sizes.set(told.partNumber, (sizes.get(told.partNumber) ?? 0) + size);
  return [...sizes].map(([partNumber, size]) => ({ partNumber, size, checksum: undefined }));
}

/** Undefined while its last block is missing, or any before it. */
function partOf(blocks: readonly ListedBlock[]): StoredPart | undefined {
  const sorted = [...blocks].sort((a, b) => a.told.sequence - b.told.sequence);
  const final = sorted.at(-1);
  const last = final?.told.last;
  if (final === undefined || last === undefined || final.told.sequence !== sorted.length - 1) return undefined;
  const content = last.isBare ? sorted.slice(0, -1) : sorted;
  return {
    partNumber: final.told.partNumber,
    size: content.reduce((sum, { size }) => sum + size, 0),
    etag: last.md5,
    lastModified: new Date(final.told.attempt),
    checksum: last.checksum && { ...last.checksum, type: 'FULL_OBJECT' },
    blocks: content.map(({ id }) => id),
    tellsChecksum: !last.isBare,
  };
}

async function readBlocks(
  client: AzureClient,
  place: BlobAddress,
  type: 'all' | 'committed',
  signal: AbortSignal | undefined,
): Promise<ListedBlock[]> {
  const query = { comp: 'blocklist', blocklisttype: type };
  const root = await client.document({ method: 'GET', ...place, query, signal });
  // One that is committed and was sent again is in both lists, and the same.
  const blocks = new Map<string, ListedBlock>();
  for (const block of root.children.flatMap((list) => list.children)) {
    const read = blockOf(block);
    if (read !== undefined) blocks.set(read.id, read);
  }
  return [...blocks.values()];
}

function blockOf(element: XmlElement): ListedBlock | undefined {
  const id = childText(element, 'Name') ?? '';
  const told = unpackBlockId(id);
  return told && { id, size: Number(childText(element, 'Size')), told };
}
