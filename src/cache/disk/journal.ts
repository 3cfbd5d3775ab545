import { appendFile, open, rename } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { DiskIndex } from './entry-index.ts';
import { AT, IMAGE_BYTES } from './records.ts';

/**
 * The index on disk: what came, went and was used, in frames with a checksum each. It only saves reading every file at the
 * start; what it does not say, the files do.
 */
export interface Journal {
  /** An entry that was added. */
  put(number: number): void;
  /** An entry that is about to be removed. */
  drop(number: number): void;
  /** An entry was used, or confirmed. */
  touch(number: number): void;
  /** Resolves when all so far is written. */
  flush(): Promise<void>;
  /** Writes it anew, without what is over. */
  compact(): Promise<void>;
  /** False when something could not be written: the next start must not rely on it. */
  readonly isWhole: boolean;
  /** Records since it was last written anew. */
  readonly records: number;
}

/** Each record begins with its kind. A put has image and text of an entry behind it; the others its id. */
const PUT = 1;
const DROP = 2;
/** The time of the last confirmation follows. */
const TOUCH = 3;
/** A number for storage, place and bucket, with the length of their JSON: comes before the first entry there. */
const PLACE = 4;
const ID_BYTES = 16;
const PLACE_HEAD = 7;
const FRAME_HEAD = 8;
const FLUSH_MS = 50;
const FRAME_RECORDS = 256;
/** Frames of a journal that is written anew. */
const FRAME_BYTES = 256 * 1024;
/** Read at once. No frame is longer. */
const PIECE_BYTES = 2 ** 20;

export interface JournalOptions {
  readonly path: string;
  readonly index: DiskIndex;
  /** Told when it cannot be written. */
  readonly onError: (error: unknown) => void;
}

export function createJournal({ path, index, onError }: JournalOptions): Journal {
  let pending: Buffer[] = [];
  let timer: NodeJS.Timeout | undefined;
  let last = Promise.resolve();
  let isWhole = true;
  let records = 0;
  /** Places that the journal names. */
  let placesWritten = 0;
  const guarded = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      isWhole = false;
      onError(error);
    }
  };
  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    if (pending.length > 0) {
      const frame = frameOf(pending);
      pending = [];
      last = last.then(() => guarded(() => appendFile(path, frame, { mode: 0o600 })));
    }
    return last;
  };
  const add = (record: Buffer): void => {
    records++;
    pending.push(record);
    if (pending.length >= FRAME_RECORDS) void flush();
    else timer ??= setTimeout(() => void flush(), FLUSH_MS);
  };
  const scratch = Buffer.allocUnsafeSlow(FRAME_BYTES);
  /** A copy of what is written of an entry, from one place in it to another. */
  const fields = (number: number, start: number, end: number): Buffer => {
    index.copyImage(number, scratch, 0);
    return Buffer.from(scratch.subarray(start, end));
  };
  return {
    put: (number) => {
      const { places } = index;
      for (; placesWritten < places.length; placesWritten++) add(placeRecord(index, placesWritten));
      add(Buffer.from(scratch.subarray(0, encodePut(index, number, scratch, 0))));
    },
    drop: (number) => add(Buffer.concat([Buffer.of(DROP), fields(number, AT.id, AT.id + ID_BYTES)])),
    touch: (number) => {
      const id = fields(number, AT.id, AT.id + ID_BYTES);
      add(Buffer.concat([Buffer.of(TOUCH), id, fields(number, AT.validatedAt, AT.validatedAt + 8)]));
    },
    flush,
    compact: () => {
      void flush();
      records = 0;
      // What is added from now on comes behind what is written anew, and names places that are in it once more at worst.
      placesWritten = 0;
      last = last.then(() =>
        guarded(async () => {
          await writeAnew(`${path}.new`, index);
          await rename(`${path}.new`, path);
          isWhole = true;
        }),
      );
      return last;
    },
    get isWhole() {
      return isWhole;
    },
    get records() {
      return records;
    },
  };
}

/** Entries go out in the order of their last use, and in pieces: others have their turn between them. */
async function writeAnew(path: string, index: DiskIndex): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.appendFile(frameOf(index.places.map((_, place) => placeRecord(index, place))));
    const frame = Buffer.allocUnsafeSlow(PIECE_BYTES);
    let end = FRAME_HEAD;
    const write = async (): Promise<void> => {
      await file.appendFile(sealed(frame.subarray(0, end)));
      end = FRAME_HEAD;
    };
    for (const number of index.inOrder()) {
      // Gone since: the record of that comes later.
      if (!index.isUsed(number)) continue;
      end = encodePut(index, number, frame, end);
      if (end >= FRAME_BYTES) await write();
    }
    await write();
  } finally {
    await file.close();
  }
}

export interface LoadOptions {
  /** Whether what needed no asking needs none now. */
  readonly isTrusted: boolean;
  /** When entries count as come and used. */
  readonly now: number;
}

/**
 * Reads a journal into an empty index, up to its end, or to the first frame that was not written to its end.
 * @returns number of records; undefined when there is no journal
 * @throws Error when it cannot be read
 */
export async function loadJournal(path: string, index: DiskIndex, options: LoadOptions): Promise<number | undefined> {
  const file = await open(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  const bytes = Buffer.allocUnsafeSlow(PIECE_BYTES);
  const context: LoadContext = { index, places: [], ...options };
  let records = 0;
  let filled = 0;
  try {
    for (;;) {
      const { bytesRead } = await file.read(bytes, filled, bytes.length - filled);
      if (bytesRead === 0) return records;
      filled += bytesRead;
      let at = 0;
      while (at + FRAME_HEAD <= filled) {
        const end = at + FRAME_HEAD + bytes.readUInt32LE(at);
        if (end > filled) {
          if (end - at > bytes.length) return records;
          break;
        }
        if (crc32(bytes.subarray(at + FRAME_HEAD, end)) !== bytes.readUInt32LE(at + 4)) return records;
        for (at += FRAME_HEAD; at < end; records++) at = loadRecord(bytes, at, context);
      }
      bytes.copyWithin(0, at, filled);
      filled -= at;
    }
  } finally {
    await file.close();
  }
}

interface LoadContext extends LoadOptions {
  readonly index: DiskIndex;
  /** The index' numbers for those of the journal. */
  readonly places: number[];
}

/** Reads one record and gives the place behind it. */
function loadRecord(bytes: Buffer, at: number, { index, places, isTrusted, now }: LoadContext): number {
  const body = at + 1;
  const known = bytes[at] === PLACE ? undefined : index.findAt(bytes, body);
  switch (bytes[at]) {
    case PLACE: {
      const end = body + PLACE_HEAD + bytes.readUInt32LE(body + 3);
      // Written by `placeRecord`, under a checksum.
      const parsed = JSON.parse(bytes.toString('utf8', body + PLACE_HEAD, end)) as [string, string, string];
      const [storage, place, bucket] = parsed;
      places[bytes.readUIntLE(body, 3)] = index.placeNumber({ storage, place, bucket });
      return end;
    }
    case DROP:
      if (known !== undefined) index.remove(known);
      return body + ID_BYTES;
    case TOUCH:
      if (known !== undefined) {
        index.use(known, now);
        index.setValidatedAt(known, bytes.readDoubleLE(body + ID_BYTES));
      }
      return body + ID_BYTES + 8;
    default: {
      const text = body + IMAGE_BYTES;
      const end = text + bytes.readUInt32LE(body + AT.text);
      if (known !== undefined) index.remove(known);
      const place = places[bytes.readUIntLE(body + AT.place, 3)];
      if (place === undefined) throw new Error('the journal names no place for an entry');
      bytes.writeUIntLE(place, body + AT.place, 3);
      const number = index.addImage(bytes, body, end, now);
      if (!isTrusted) index.doubt(number);
      return end;
    }
  }
}

/** The address of an entry's text is of no use in a file: its length is there instead. */
function encodePut(index: DiskIndex, number: number, target: Buffer, at: number): number {
  target[at] = PUT;
  const end = index.copyImage(number, target, at + 1);
  target.writeUInt32LE(end - at - 1 - IMAGE_BYTES, at + 1 + AT.text);
  return end;
}

function placeRecord(index: DiskIndex, number: number): Buffer {
  const { storage, place, bucket } = index.places[number] ?? { storage: '', place: '', bucket: '' };
  const json = Buffer.from(JSON.stringify([storage, place, bucket]));
  const head = Buffer.alloc(1 + PLACE_HEAD);
  head[0] = PLACE;
  head.writeUIntLE(number, 1, 3);
  head.writeUInt32LE(json.length, 4);
  return Buffer.concat([head, json]);
}

function frameOf(records: readonly Buffer[]): Buffer {
  return sealed(Buffer.concat([Buffer.alloc(FRAME_HEAD), ...records]));
}

/** Writes length and checksum before what stands behind them. */
function sealed(frame: Buffer): Buffer {
  const payload = frame.subarray(FRAME_HEAD);
  frame.writeUInt32LE(payload.length, 0);
  frame.writeUInt32LE(crc32(payload), 4);
  return frame;
}
