import { readFileSync } from 'node:fs';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { ObjectName } from './identity.ts';

/** One version as the journal knows it. */
export interface JournalEntry {
  readonly id: string;
  readonly name: ObjectName;
  /** Name of its file: 16 hexadecimal digits of its version and 8 of its own. */
  readonly file: string;
  readonly etag: string;
  readonly size: number;
  readonly lastModified: number;
  readonly validatedAt: number;
  /** False when the storage is to be asked before it is served. */
  readonly isConfirmed: boolean;
}

/** Told of each record in the order in which they were written. */
export interface JournalReader {
  put(entry: JournalEntry): void;
  drop(id: string): void;
  touch(id: string, validatedAt: number): void;
}

/**
 * The index on disk: what came, went and was used, in frames with a checksum each. It only saves reading every file at the
 * start; what it does not say, the files do.
 */
export interface Journal {
  put(entry: JournalEntry): void;
  drop(id: string): void;
  touch(id: string, validatedAt: number): void;
  /** Resolves when all so far is written. */
  flush(): Promise<void>;
  /** Writes it anew, without what is over. */
  compact(entries: Iterable<JournalEntry>): Promise<void>;
  /** False when something could not be written: the next start must not rely on it. */
  readonly isWhole: boolean;
  /** Records since it was last written anew. */
  readonly records: number;
}

const PUT = 1;
const DROP = 2;
const TOUCH = 3;
/** A put that is to be asked about first. */
const PUT_DOUBTED = 4;
const ID_BYTES = 16;
const FILE_BYTES = 12;
const FLUSH_MS = 50;
const FRAME_RECORDS = 512;

/** @param onError told when it cannot be written */
export function createJournal(path: string, onError: (error: unknown) => void): Journal {
  let pending: Buffer[] = [];
  let timer: NodeJS.Timeout | undefined;
  let last = Promise.resolve();
  let isWhole = true;
  let records = 0;
  const write = async (frames: Buffer): Promise<void> => {
    try {
      await appendFile(path, frames, { mode: 0o600 });
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
      last = last.then(() => write(frame));
    }
    return last;
  };
  const add = (record: Buffer): void => {
    records++;
    pending.push(record);
    if (pending.length >= FRAME_RECORDS) void flush();
    else timer ??= setTimeout(() => void flush(), FLUSH_MS);
  };
  return {
    put: (entry) => add(putRecord(entry)),
    drop: (id) => add(Buffer.concat([Buffer.of(DROP), Buffer.from(id, 'hex')])),
    touch: (id, validatedAt) => {
      const record = Buffer.alloc(1 + ID_BYTES + 8);
      record[0] = TOUCH;
      record.write(id, 1, 'hex');
      record.writeDoubleLE(validatedAt, 1 + ID_BYTES);
      add(record);
    },
    flush,
    compact: async (entries) => {
      await flush();
      const frames: Buffer[] = [];
      let batch: Buffer[] = [];
      for (const entry of entries) {
        batch.push(putRecord(entry));
        if (batch.length < FRAME_RECORDS) continue;
        frames.push(frameOf(batch));
        batch = [];
      }
      if (batch.length > 0) frames.push(frameOf(batch));
      records = 0;
      last = last.then(async () => {
        try {
          await writeFile(`${path}.new`, frames, { mode: 0o600 });
          await rename(`${path}.new`, path);
          isWhole = true;
        } catch (error) {
          isWhole = false;
          onError(error);
        }
      });
      await last;
    },
    get isWhole() {
      return isWhole;
    },
    get records() {
      return records;
    },
  };
}

/**
 * Reads a journal up to its end, or to the first frame that was not written to its end. An absent one is empty.
 * @returns number of records
 * @throws Error when it cannot be read
 */
export function readJournal(path: string, reader: JournalReader): number {
  const bytes = readOrEmpty(path);
  const names = new Map<string, Omit<ObjectName, 'key'>>();
  let records = 0;
  for (let at = 0; at + 8 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32LE(at);
    if (end > bytes.length || crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32LE(at + 4)) break;
    for (at += 8; at < end; records++) at = readRecord(bytes, at, reader, names);
  }
  return records;
}

function readOrEmpty(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/** Reads one record and gives the place behind it. */
function readRecord(
  bytes: Buffer,
  at: number,
  reader: JournalReader,
  names: Map<string, Omit<ObjectName, 'key'>>,
): number {
  const id = bytes.toString('hex', at + 1, at + 1 + ID_BYTES);
  const body = at + 1 + ID_BYTES;
  switch (bytes[at]) {
    case DROP:
      reader.drop(id);
      return body;
    case TOUCH:
      reader.touch(id, bytes.readDoubleLE(body));
      return body + 8;
    default: {
      const numbers = body + FILE_BYTES;
      const etag = numbers + 30;
      const place = etag + bytes.readUInt16LE(numbers + 24);
      const key = place + bytes.readUInt16LE(numbers + 26);
      const end = key + bytes.readUInt16LE(numbers + 28);
      const placeText = bytes.toString('utf8', place, key);
      let parsed = names.get(placeText);
      if (parsed === undefined) {
        // Written by `putRecord`, under a checksum.
        const [storage, where, bucket] = JSON.parse(placeText) as [string, string, string];
        parsed = { storage, place: where, bucket };
        names.set(placeText, parsed);
      }
      reader.put({
        id,
        name: {
          storage: parsed.storage,
          place: parsed.place,
          bucket: parsed.bucket,
          key: bytes.toString('utf8', key, end),
        },
        file: bytes.toString('hex', body, numbers),
        size: bytes.readDoubleLE(numbers),
        lastModified: bytes.readDoubleLE(numbers + 8),
        validatedAt: bytes.readDoubleLE(numbers + 16),
        etag: bytes.toString('utf8', etag, place),
        isConfirmed: bytes[at] === PUT,
      });
      return end;
    }
  }
}

function putRecord(entry: JournalEntry): Buffer {
  const { id, name, file, etag, size, lastModified, validatedAt, isConfirmed } = entry;
  const texts = [etag, JSON.stringify([name.storage, name.place, name.bucket]), name.key].map((text) =>
    Buffer.from(text),
  );
  const head = Buffer.alloc(1 + ID_BYTES + FILE_BYTES + 30);
  head[0] = isConfirmed ? PUT : PUT_DOUBTED;
  head.write(id, 1, 'hex');
  head.write(file, 1 + ID_BYTES, 'hex');
  const numbers = 1 + ID_BYTES + FILE_BYTES;
  head.writeDoubleLE(size, numbers);
  head.writeDoubleLE(lastModified, numbers + 8);
  head.writeDoubleLE(validatedAt, numbers + 16);
  texts.forEach((text, index) => {
    head.writeUInt16LE(text.length, numbers + 24 + index * 2);
  });
  return Buffer.concat([head, ...texts]);
}

function frameOf(records: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(records);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(payload.length, 0);
  head.writeUInt32LE(crc32(payload), 4);
  return Buffer.concat([head, payload]);
}
