import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { S3Error } from '../../s3/error.ts';
import type { Checksum } from '../object-store.ts';
import type { Effects } from './commit-queue.ts';
import type { ListedRow, ObjectRow } from './rows.ts';
import { packSegments, type Segment, unpackSegments } from './segments.ts';

const LISTED = 'key, size, etag, modified, storage_class, checksum_algorithm, checksum_type';

const STATEMENTS = {
  buckets: 'SELECT name, created FROM buckets ORDER BY name',
  bucket: 'SELECT id, name, created FROM buckets WHERE name = ?',
  addBucket: 'INSERT INTO buckets (name, created) VALUES (?, ?) ON CONFLICT DO NOTHING',
  dropBucket: 'DELETE FROM buckets WHERE id = ?',
  anyObject: 'SELECT 1 AS found FROM objects WHERE bucket = ? LIMIT 1',
  object: `SELECT ${LISTED}, checksum_value, upload, tags, attributes, content FROM objects WHERE bucket = ? AND key = ?`,
  putObject: `INSERT OR REPLACE INTO objects (bucket, ${LISTED}, checksum_value, upload, tags, attributes, content)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  dropObject: 'DELETE FROM objects WHERE bucket = ? AND key = ?',
  setTags: 'UPDATE objects SET tags = ? WHERE bucket = ? AND key = ?',
  scan: `SELECT ${LISTED} FROM objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key`,
  addFile: 'INSERT INTO files (name, refs) VALUES (?, 1)',
  keepFile: 'UPDATE files SET refs = refs + 1 WHERE name = ?',
  leaveFile: 'UPDATE files SET refs = refs - 1 WHERE name = ? RETURNING refs',
  dropFile: 'DELETE FROM files WHERE name = ?',
  file: 'SELECT refs FROM files WHERE name = ?',
  addBody: 'INSERT INTO bodies (refs, bytes) VALUES (1, ?)',
  keepBody: 'UPDATE bodies SET refs = refs + 1 WHERE id = ?',
  leaveBody: 'UPDATE bodies SET refs = refs - 1 WHERE id = ? RETURNING refs',
  dropBody: 'DELETE FROM bodies WHERE id = ?',
  body: 'SELECT bytes FROM bodies WHERE id = ?',
} as const;

/** An object as it is written. */
export interface NewObjectRow {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly modified: Date;
  readonly storageClass: string;
  readonly checksum: Checksum | undefined;
  /** Id of the upload that it was completed from. */
  readonly upload: string | undefined;
  readonly tags: string;
  readonly attributes: string;
  readonly content: string;
}

/**
 * Buckets, objects and what their segments point at. Everything is synchronous; what changes something must run
 * within a CommitQueue mutation.
 */
export class Tables {
  readonly #statements: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;

  constructor(db: DatabaseSync) {
    const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, db.prepare(sql)]);
    // Object.fromEntries loses the names that the table has.
    this.#statements = Object.fromEntries(prepared) as Record<keyof typeof STATEMENTS, StatementSync>;
  }

  buckets(): { readonly name: string; readonly created: Date }[] {
    return this.#statements.buckets.all().map((row) => ({
      name: String(row.name),
      created: new Date(Number(row.created)),
    }));
  }

  /** @throws S3Error NoSuchBucket */
  bucket(name: string): { readonly id: number; readonly created: Date } {
    const row = this.#statements.bucket.get(name);
    if (row === undefined) throw new S3Error('NoSuchBucket', { detail: { BucketName: name } });
    return { id: Number(row.id), created: new Date(Number(row.created)) };
  }

  /** @returns whether it was not there before */
  addBucket(name: string, created: Date): boolean {
    return this.#statements.addBucket.run(name, created.getTime()).changes === 1;
  }

  dropBucket(id: number): void {
    this.#statements.dropBucket.run(id);
  }

  hasObjects(bucket: number): boolean {
    return this.#statements.anyObject.get(bucket) !== undefined;
  }

  findObject(bucket: number, key: string): ObjectRow | undefined {
    // The columns are those of ObjectRow.
    return this.#statements.object.get(bucket, key) as ObjectRow | undefined;
  }

  /** @throws S3Error NoSuchKey */
  object(bucket: number, key: string): ObjectRow {
    const row = this.findObject(bucket, key);
    if (row === undefined) throw new S3Error('NoSuchKey', { detail: { Key: key } });
    return row;
  }

  /** Puts an object in the place of what stood at its key, whose segments are let go. */
  replaceObject(bucket: number, row: NewObjectRow, previous: ObjectRow | undefined, effects: Effects): void {
    if (previous !== undefined) this.release(unpackSegments(previous.content), effects);
    this.#statements.putObject.run(
      bucket,
      row.key,
      row.size,
      row.etag,
      row.modified.getTime(),
      row.storageClass,
      row.checksum?.algorithm ?? null,
      row.checksum?.type ?? null,
      row.checksum?.value ?? null,
      row.upload ?? null,
      row.tags,
      row.attributes,
      row.content,
    );
  }

  dropObject(bucket: number, row: ObjectRow, effects: Effects): void {
    this.release(unpackSegments(row.content), effects);
    this.#statements.dropObject.run(bucket, row.key);
  }

  /** @returns whether the object is there */
  setTags(bucket: number, key: string, tags: string): boolean {
    return this.#statements.setTags.run(tags, bucket, key).changes === 1;
  }

  /** Rows in key order, from `from` on and before `to`; `to` undefined for no end. Read as they are asked for. */
  *scan(bucket: number, from: string, to: string | undefined): Generator<ListedRow> {
    // Any BLOB comes after every TEXT.
    for (const row of this.#statements.scan.iterate(bucket, from, to ?? new Uint8Array())) {
      // The columns are those of ListedRow.
      yield row as unknown as ListedRow;
    }
  }

  /** Gives bytes that were received a row, as the only segment. @returns its packed form */
  addSegment(received: {
    readonly size: number;
    readonly bytes: Uint8Array | undefined;
    readonly file: string | undefined;
  }): string {
    if (received.size === 0) return packSegments([]);
    let source: string | number;
    if (received.file === undefined) {
      source = Number(this.#statements.addBody.run(received.bytes ?? new Uint8Array()).lastInsertRowid);
    } else {
      source = received.file;
      this.#statements.addFile.run(source);
    }
    return packSegments([{ source, size: received.size, partNumber: undefined, checksum: undefined }]);
  }

  /** Lets another row point at the same segments. */
  keep(segments: readonly Segment[]): void {
    for (const { source } of segments) {
      (typeof source === 'string' ? this.#statements.keepFile : this.#statements.keepBody).run(source);
    }
  }

  /** Takes a row's segments away; what nothing else points at goes too. */
  release(segments: readonly Segment[], effects: Effects): void {
    for (const { source } of segments) {
      const isFile = typeof source === 'string';
      const left = (isFile ? this.#statements.leaveFile : this.#statements.leaveBody).get(source);
      if (left?.refs !== 0) continue;
      (isFile ? this.#statements.dropFile : this.#statements.dropBody).run(source);
      if (isFile) effects.deadFiles.push(source);
    }
  }

  hasFile(name: string): boolean {
    return this.#statements.file.get(name) !== undefined;
  }

  bytes(id: number): Uint8Array {
    const bytes = this.#statements.body.get(id)?.bytes;
    if (!(bytes instanceof Uint8Array)) throw new Error(`body ${id} is missing from the index`);
    return bytes;
  }
}
