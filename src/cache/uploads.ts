import { LRUCache } from 'lru-cache';
import { S3Error } from '../s3/error.ts';
import { unquoteEtag } from '../s3/etag.ts';
import { childText, parseXml } from '../s3/xml.ts';
import type { Draft } from './store.ts';

/** One part whose bytes were kept as it passed. */
export interface Part {
  readonly draft: Draft;
  readonly size: number;
  /** As the storage answered; unquoted. */
  readonly etag: string;
}

/** Parts of uploads under way, kept until their upload is completed, aborted or forgotten. */
export interface Uploads {
  /** Takes over the part; others may have to go for it. */
  add(uploadId: string, partNumber: number, part: Part): void;
  /**
   * Ends an upload, and gives the parts that its CompleteMultipartUpload lists, in order; the caller closes them. Undefined
   * when any is not here.
   */
  take(uploadId: string, document: Uint8Array): readonly Part[] | undefined;
  has(uploadId: string): boolean;
  forget(uploadId: string): void;
  clear(): void;
}

/** Each part holds a file open. */
const MAX_PARTS = 2048;
const MAX_UPLOADS = 256;
const FORGET_AFTER = 6 * 3_600_000;

export interface UploadsOptions {
  /** Whether so many bytes could be one object: all uploads together are given no more, as many are never completed. */
  readonly fits: (bytes: number) => boolean;
}

export function createUploads({ fits }: UploadsOptions): Uploads {
  let bytes = 0;
  let count = 0;
  const close = (part: Part): void => {
    bytes -= part.size;
    count--;
    part.draft.close();
  };
  const uploads = new LRUCache<string, Map<number, Part>>({
    max: MAX_UPLOADS,
    ttl: FORGET_AFTER,
    ttlAutopurge: true,
    updateAgeOnGet: true,
    dispose: (parts) => {
      for (const part of parts.values()) close(part);
    },
  });
  return {
    add: (uploadId, partNumber, part) => {
      const parts = uploads.get(uploadId) ?? new Map<number, Part>();
      const before = parts.get(partNumber);
      if (before !== undefined) close(before);
      parts.set(partNumber, part);
      bytes += part.size;
      count++;
      if (!uploads.has(uploadId)) uploads.set(uploadId, parts);
      // Those that got no part for the longest time; the last one is this upload itself.
      while (uploads.size > 0 && (count > MAX_PARTS || !fits(bytes))) uploads.pop();
    },
    take: (uploadId, document) => {
      const parts = uploads.get(uploadId);
      if (parts === undefined) return undefined;
      const listed = listedParts(document).map(({ partNumber, etag }) => {
        const part = parts.get(partNumber);
        return part?.etag === etag ? part : undefined;
      });
      const found = new Set(listed.filter((part) => part !== undefined));
      const isWhole = found.size === listed.length && found.size > 0;
      for (const [number, part] of parts) {
        if (!isWhole || !found.has(part)) continue;
        parts.delete(number);
        bytes -= part.size;
        count--;
      }
      uploads.delete(uploadId);
      return isWhole ? [...found] : undefined;
    },
    has: (uploadId) => uploads.has(uploadId),
    forget: (uploadId) => void uploads.delete(uploadId),
    clear: () => uploads.clear(),
  };
}

/** What a CompleteMultipartUpload document lists; nothing when the storage is to say what is wrong with it. */
function listedParts(document: Uint8Array): { readonly partNumber: number; readonly etag: string }[] {
  try {
    return parseXml(document, 'CompleteMultipartUpload')
      .children.filter(({ name }) => name === 'Part')
      .map((part) => ({
        partNumber: Number(childText(part, 'PartNumber')?.trim()),
        etag: unquoteEtag(childText(part, 'ETag')?.trim() ?? ''),
      }));
  } catch (error) {
    if (error instanceof S3Error) return [];
    throw error;
  }
}
