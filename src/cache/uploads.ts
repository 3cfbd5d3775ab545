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
  add(uploadId: string, partNumber: number, part: Part): void;
  /** Takes out the parts that a CompleteMultipartUpload lists, in order; the caller closes them. Undefined when any is missing. */
  take(uploadId: string, document: Uint8Array): readonly Part[] | undefined;
  has(uploadId: string): boolean;
  forget(uploadId: string): void;
  clear(): void;
}

/** Each part holds a file open. */
const MAX_PARTS = 512;
const FORGET_AFTER = 6 * 3_600_000;

export function createUploads(): Uploads {
  const uploads = new LRUCache<string, Map<number, Part>>({
    max: 256,
    ttl: FORGET_AFTER,
    updateAgeOnGet: true,
    dispose: (parts) => {
      for (const { draft } of parts.values()) draft.close();
    },
  });
  return {
    add: (uploadId, partNumber, part) => {
      const parts = uploads.get(uploadId) ?? new Map<number, Part>();
      parts.get(partNumber)?.draft.close();
      parts.set(partNumber, part);
      if (parts.size > MAX_PARTS) uploads.delete(uploadId);
      else if (!uploads.has(uploadId)) uploads.set(uploadId, parts);
    },
    take: (uploadId, document) => {
      const parts = uploads.get(uploadId);
      if (parts === undefined) return undefined;
      const listed = listedParts(document).map(({ partNumber, etag }) => {
        const part = parts.get(partNumber);
        return part?.etag === etag ? part : undefined;
      });
      const found = listed.filter((part) => part !== undefined);
      if (found.length !== listed.length || found.length === 0) return undefined;
      for (const part of found) {
        for (const [number, kept] of parts) if (kept === part) parts.delete(number);
      }
      uploads.delete(uploadId);
      return found;
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
