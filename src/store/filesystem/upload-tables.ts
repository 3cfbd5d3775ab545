import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { S3Error } from '../../s3/error.ts';
import type { Checksum } from '../object-store.ts';
import type { Effects } from './commit-queue.ts';
import type { Cursor } from './paging.ts';
import { unpackSegments } from './segments.ts';
import type { Tables } from './tables.ts';

/** A row of `uploads` as SQLite gives it. */
export interface UploadRow {
  readonly id: string;
  readonly key: string;
  readonly initiated: number;
  readonly storage_class: string;
  readonly checksum_algorithm: string | null;
  readonly checksum_type: string | null;
  readonly tags: string;
  readonly attributes: string;
}

/** A row of `parts` as SQLite gives it. */
export interface PartRow {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly modified: number;
  readonly checksum_algorithm: string | null;
  readonly checksum_value: string | null;
  readonly content: string;
}

const UPLOAD = 'id, key, initiated, storage_class, checksum_algorithm, checksum_type, tags, attributes';
const PART = 'number, size, etag, modified, checksum_algorithm, checksum_value, content';

const STATEMENTS = {
  addUpload: `INSERT INTO uploads (bucket, ${UPLOAD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  upload: `SELECT ${UPLOAD} FROM uploads WHERE id = ? AND bucket = ? AND key = ?`,
  dropUpload: 'DELETE FROM uploads WHERE id = ?',
  uploadsOf: 'SELECT id FROM uploads WHERE bucket = ?',
  scan: `SELECT ${UPLOAD} FROM uploads WHERE bucket = ? AND (key, id) > (?, ?) AND key < ? ORDER BY key, id`,
  putPart: `INSERT OR REPLACE INTO parts (upload, ${PART}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  part: `SELECT ${PART} FROM parts WHERE upload = ? AND number = ?`,
  parts: `SELECT ${PART} FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?`,
  dropParts: 'DELETE FROM parts WHERE upload = ?',
} as const;

/** Uploads under way and their parts. Everything is synchronous; changes must run within a CommitQueue mutation. */
export class UploadTables {
  readonly #tables: Tables;
  readonly #statements: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;

  constructor(db: DatabaseSync, tables: Tables) {
    this.#tables = tables;
    const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, db.prepare(sql)]);
    // Object.fromEntries loses the names that the table has.
    this.#statements = Object.fromEntries(prepared) as Record<keyof typeof STATEMENTS, StatementSync>;
  }

  addUpload(bucket: number, row: UploadRow): void {
    this.#statements.addUpload.run(
      bucket,
      row.id,
      row.key,
      row.initiated,
      row.storage_class,
      row.checksum_algorithm,
      row.checksum_type,
      row.tags,
      row.attributes,
    );
  }

  findUpload(bucket: number, key: string, id: string): UploadRow | undefined {
    // The columns are those of UploadRow.
    return this.#statements.upload.get(id, bucket, key) as UploadRow | undefined;
  }

  /** @throws S3Error NoSuchUpload */
  upload(bucket: number, key: string, id: string): UploadRow {
    const row = this.findUpload(bucket, key, id);
    if (row === undefined) throw new S3Error('NoSuchUpload', { detail: { UploadId: id } });
    return row;
  }

  /** Rows in order of key and id, beyond the cursor's id at its key, and before `to`. */
  *scan(bucket: number, from: Cursor, to: string | undefined): Generator<UploadRow> {
    // Any BLOB comes after every TEXT.
    for (const row of this.#statements.scan.iterate(bucket, from.key, from.id, to ?? new Uint8Array())) {
      // The columns are those of UploadRow.
      yield row as unknown as UploadRow;
    }
  }

  /** Puts a part in the place of an earlier one of its number, whose bytes are let go. */
  putPart(
    upload: string,
    part: Omit<PartRow, 'checksum_algorithm' | 'checksum_value'>,
    checksum: Pick<Checksum, 'algorithm' | 'value'> | undefined,
    effects: Effects,
  ): void {
    const previous = this.#statements.part.get(upload, part.number);
    if (previous !== undefined) this.#tables.release(unpackSegments(String(previous.content)), effects);
    this.#statements.putPart.run(
      upload,
      part.number,
      part.size,
      part.etag,
      part.modified,
      checksum?.algorithm ?? null,
      checksum?.value ?? null,
      part.content,
    );
  }

  /** Parts in order of number, those after `after`, at most `limit`; -1 for all. */
  parts(upload: string, after: number, limit: number): PartRow[] {
    // The columns are those of PartRow.
    return this.#statements.parts.all(upload, after, limit) as unknown as PartRow[];
  }

  /** Forgets an upload and lets go of all its parts but those in `kept`, by number. */
  dropUpload(id: string, kept: ReadonlySet<number>, effects: Effects): void {
    for (const part of this.parts(id, 0, -1)) {
      if (!kept.has(part.number)) this.#tables.release(unpackSegments(part.content), effects);
    }
    this.#statements.dropParts.run(id);
    this.#statements.dropUpload.run(id);
  }

  uploadsOf(bucket: number): string[] {
    return this.#statements.uploadsOf.all(bucket).map((row) => String(row.id));
  }
}
