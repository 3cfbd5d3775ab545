import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { S3Error } from '../../s3/error.ts';
import type { Checksum, UploadPlace } from '../object-store.ts';
import type { Blob } from './blob.ts';
import type { AzureClient } from './client.ts';
import type { BlobAddress } from './copy-blob.ts';
import { STAGING_PREFIX } from './finishing.ts';
import { headBlob } from './reading.ts';

const UPLOAD_ID = /^[0-9a-f]{40}$/;
/**
 * Milliseconds for which an upload is taken to go on without looking. A block for one that another gateway has ended
 * meanwhile makes a blob that nobody sees, and that Azure drops after a week.
 */
const TRUSTED = 30_000;
const MOST_UPLOADS = 10_000;

/** What has to be known of an upload to take a part. */
export interface KnownUpload {
  readonly key: string;
  readonly checksum: Pick<Checksum, 'algorithm' | 'type'> | undefined;
}

/** Sorts by time within a key, and holds nothing but hex: clients put it into keys and URLs. */
export function newUploadId(now: number): string {
  return now.toString(16).padStart(12, '0') + randomBytes(14).toString('hex');
}

/** The staging blob of an upload. @throws S3Error NoSuchUpload for an id that we never give */
export function stagingOf({ bucket, uploadId }: UploadPlace): BlobAddress {
  if (!UPLOAD_ID.test(uploadId)) throw noSuchUpload(uploadId);
  return { container: bucket, blob: `${STAGING_PREFIX}${uploadId}` };
}

/** Uploads that were seen a moment ago, so that a part costs no look at its upload. */
export class Uploads {
  readonly #client: AzureClient;
  readonly #known: LRUCache<string, KnownUpload>;
  #lastAttempt = 0;

  constructor(client: AzureClient) {
    this.#client = client;
    this.#known = new LRUCache({ max: MOST_UPLOADS, ttl: TRUSTED });
  }

  /** @throws S3Error NoSuchUpload */
  async find(place: UploadPlace, signal?: AbortSignal): Promise<KnownUpload> {
    const known = this.#known.get(idOf(place));
    if (known?.key === place.key) return known;
    const { record } = await this.look(place, signal);
    const found = { key: place.key, checksum: record.upload?.checksum };
    this.#known.set(idOf(place), found);
    return found;
  }

  /** The staging blob as it is now. @throws S3Error NoSuchUpload when there is none, or it is of another key */
  async look(place: UploadPlace, signal?: AbortSignal): Promise<Blob> {
    const { container, blob } = stagingOf(place);
    try {
      const found = await headBlob(this.#client, container, blob, signal);
      if (found.record.upload?.key === place.key) return found;
    } catch (error) {
      if (!(error instanceof S3Error) || error.code !== 'NoSuchKey') throw error;
    }
    throw noSuchUpload(place.uploadId);
  }

  forget(place: UploadPlace): void {
    this.#known.delete(idOf(place));
  }

  /** The time of an attempt: later than any that began here before, however the clock is set. */
  nextAttempt(now: number): number {
    this.#lastAttempt = Math.max(now, this.#lastAttempt + 1);
    return this.#lastAttempt;
  }
}

export function noSuchUpload(uploadId: string): S3Error {
  return new S3Error('NoSuchUpload', { detail: { UploadId: uploadId } });
}

function idOf({ bucket, uploadId }: UploadPlace): string {
  return `${bucket}/${uploadId}`;
}
