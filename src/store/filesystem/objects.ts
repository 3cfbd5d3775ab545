import { Readable } from 'node:stream';
import { createChecksum } from '../../s3/checksum.ts';
import { hasConditions } from '../../s3/conditions.ts';
import { S3Error } from '../../s3/error.ts';
import { type ByteRange, parseRange } from '../../s3/range.ts';
import { checkReadConditions, checkSourceConditions, checkWriteConditions } from '../conditions.ts';
import type {
  Checksum,
  CopyObjectInput,
  GetObjectInput,
  GetObjectOutput,
  ObjectStore,
  PutObjectInput,
  WrittenObject,
} from '../object-store.ts';
import type { Context } from './context.ts';
import { openBytes } from './reading.ts';
import { dropUnnamed, receiveBytes } from './receive.ts';
import { checksumOf, describe, type ObjectRow, packAttributes, packTags, unpackTags } from './rows.ts';
import { type Segment, unpackSegments } from './segments.ts';

type ObjectMethods = Pick<
  ObjectStore,
  'getObject' | 'putObject' | 'copyObject' | 'deleteObject' | 'getObjectTagging' | 'putObjectTagging'
>;

/** The part of an ObjectStore that deals with single objects. */
export function objectMethods(context: Context): ObjectMethods {
  const { tables, queue } = context;
  return {
    getObject: (input) => getObject(context, input),
    putObject: (input, signal) => putObject(context, input, signal),
    copyObject: (input, signal) => copyObject(context, input, signal),

    async deleteObject({ bucket, key, conditions }) {
      await queue.run((effects) => {
        const { id } = tables.bucket(bucket);
        const row = tables.findObject(id, key);
        if (row === undefined) return;
        checkWriteConditions(conditions, row);
        tables.dropObject(id, row, effects);
      });
    },

    async getObjectTagging({ bucket, key }) {
      return unpackTags(tables.object(tables.bucket(bucket).id, key).tags);
    },

    async putObjectTagging({ bucket, key }, tags) {
      await queue.run(() => {
        const { id } = tables.bucket(bucket);
        if (!tables.setTags(id, key, packTags(tags))) throw new S3Error('NoSuchKey', { detail: { Key: key } });
      });
    },
  };
}

async function getObject(context: Context, input: GetObjectInput): Promise<GetObjectOutput> {
  const { tables } = context;
  const row = tables.object(tables.bucket(input.bucket).id, input.key);
  const segments = unpackSegments(row.content);
  const object = describe(input.bucket, row, segments);
  checkReadConditions(input.conditions, object);
  const range =
    input.partNumber === undefined ? rangeOf(input.range, row.size) : partRange(input.partNumber, segments, row);
  if (input.headOnly) return { object, range, body: null };
  const extent = { segments, start: range?.start ?? 0, end: range === undefined ? row.size : range.end + 1 };
  return { object, range, body: await openBytes(context, extent) };
}

function rangeOf(header: string | undefined, size: number): ByteRange | undefined {
  const range = parseRange(header, size);
  if (range !== 'unsatisfiable') return range;
  throw new S3Error('InvalidRange', {
    detail: { RangeRequested: header ?? '', ActualObjectSize: String(size) },
    headers: new Map([['content-range', `bytes */${size}`]]),
  });
}

/** The bytes of one part. An object written in one piece is its own part 1. */
function partRange(partNumber: number, segments: readonly Segment[], row: ObjectRow): ByteRange | undefined {
  const isWhole = segments[0]?.partNumber === undefined;
  let offset = 0;
  for (const [index, segment] of segments.entries()) {
    if (!isWhole && segment.partNumber === partNumber) {
      return segment.size === 0 ? undefined : { start: offset, end: offset + segment.size - 1 };
    }
    if (!isWhole || index > 0) offset += segment.size;
  }
  if (!isWhole || partNumber !== 1) {
    throw new S3Error('InvalidPartNumber', {
      detail: { PartNumberRequested: String(partNumber), ActualPartCount: String(isWhole ? 1 : segments.length) },
    });
  }
  return row.size === 0 ? undefined : { start: 0, end: row.size - 1 };
}

async function putObject(context: Context, input: PutObjectInput, signal: AbortSignal): Promise<WrittenObject> {
  const { tables, queue, files } = context;
  const { bucket, key, conditions } = input;
  try {
    // Nobody should send gigabytes to learn what is known already; the transaction decides once more.
    const { id } = tables.bucket(bucket);
    if (hasConditions(conditions)) checkWriteConditions(conditions, tables.findObject(id, key));
  } catch (error) {
    if (input.body instanceof Readable) input.body.destroy();
    throw error;
  }
  const received = await receiveBytes(files, input, signal);
  try {
    const sent = input.checksum();
    const checksum: Checksum | undefined = sent && { ...sent, type: 'FULL_OBJECT' };
    return await queue.run((effects) => {
      const { id } = tables.bucket(bucket);
      const previous = tables.findObject(id, key);
      checkWriteConditions(conditions, previous);
      const modified = new Date(context.now());
      const row = {
        key,
        size: received.size,
        etag: received.md5,
        modified,
        storageClass: input.storageClass,
        checksum,
        upload: undefined,
        tags: packTags(input.tags),
        attributes: packAttributes(input),
        content: tables.addSegment(received),
      };
      tables.replaceObject(id, row, previous, effects);
      return { etag: received.md5, lastModified: modified, checksum };
    });
  } catch (error) {
    await dropUnnamed(context, received);
    throw error;
  }
}

/** The copy points at the same bytes as its source. */
async function copyObject(context: Context, input: CopyObjectInput, signal: AbortSignal): Promise<WrittenObject> {
  const { tables, queue } = context;
  const computed = await computedChecksum(context, input, signal);
  return queue.run((effects) => {
    const source = readSource(context, input);
    if (computed !== undefined && computed.content !== source.content) throw new S3Error('OperationAborted');
    const { id } = tables.bucket(input.bucket);
    const previous = tables.findObject(id, input.key);
    checkWriteConditions(input.conditions, previous);
    const checksum = computed?.checksum ?? checksumOf(source);
    const modified = new Date(context.now());
    tables.keep(unpackSegments(source.content));
    const row = {
      key: input.key,
      size: source.size,
      etag: source.etag,
      modified,
      storageClass: input.storageClass ?? input.attributes?.storageClass ?? source.storage_class,
      checksum,
      upload: undefined,
      tags: input.tags === undefined ? source.tags : packTags(input.tags),
      attributes: input.attributes === undefined ? source.attributes : packAttributes(input.attributes),
      content: source.content,
    };
    tables.replaceObject(id, row, previous, effects);
    return { etag: source.etag, lastModified: modified, checksum };
  });
}

function readSource(context: Context, input: Pick<CopyObjectInput, 'source' | 'sourceConditions'>): ObjectRow {
  const { tables } = context;
  const row = tables.object(tables.bucket(input.source.bucket).id, input.source.key);
  checkSourceConditions(input.sourceConditions, { etag: row.etag, lastModified: new Date(row.modified) });
  return row;
}

/** The checksum asked for, when the source has another or none, with the content that it is true of. */
async function computedChecksum(
  context: Context,
  input: CopyObjectInput,
  signal: AbortSignal,
): Promise<{ readonly checksum: Checksum; readonly content: string } | undefined> {
  const algorithm = input.checksumAlgorithm;
  if (algorithm === undefined) return undefined;
  const source = readSource(context, input);
  const kept = checksumOf(source);
  if (kept?.algorithm === algorithm && kept.type === 'FULL_OBJECT') return undefined;
  const checksum = createChecksum(algorithm);
  const body = await openBytes(context, { segments: unpackSegments(source.content), start: 0, end: source.size });
  if (body instanceof Readable) {
    for await (const chunk of body) {
      signal.throwIfAborted();
      checksum.update(chunk);
    }
  } else if (body !== null) {
    checksum.update(body);
  }
  return { checksum: { algorithm, type: 'FULL_OBJECT', value: checksum.digest() }, content: source.content };
}
