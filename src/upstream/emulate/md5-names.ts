import { LRUCache } from 'lru-cache';
import { unquoteEtag } from '../../s3/etag.ts';
import type { Headers } from '../../s3/headers.ts';
import { keptMd5 } from './kept.ts';

/** So many objects and parts are remembered; some 300 bytes each. */
const REMEMBERED = 100_000;

/** An object as the storage knows it. */
export interface ObjectName {
  readonly bucket: string | undefined;
  readonly key: string | undefined;
}

/** A part by what names it in its upload. */
export interface PartName {
  readonly uploadId: string;
  readonly number: string;
}

/** Which MD5 stands for which ETag of the storage. ETags here have no quotes. */
export interface Md5Names {
  /** The ETag that clients see in the place of the storage's; undefined when only the object's metadata can tell. */
  ofObject(object: ObjectName, etag: string): string | undefined;
  /** As `ofObject`, with the object's own headers at hand: always an answer. */
  ofHeaders(object: ObjectName, headers: Headers): string | undefined;
  rememberObject(object: ObjectName, names: { readonly etag: string; readonly md5: string }): void;
  /** A part's ETag at the storage and its MD5; undefined when this process has not seen it being uploaded. */
  part(part: PartName): { readonly etag: string; readonly md5: string } | undefined;
  rememberPart(part: PartName, names: { readonly etag: string; readonly md5: string }): void;
  forgetPart(part: PartName): void;
}

/**
 * Remembers the most recent objects and parts whose ETag at the storage is not their MD5. An ETag that looks like an
 * MD5 is taken for one, in lower case, until the storage was seen to make others of that form.
 */
export function createMd5Names(): Md5Names {
  const objects = new LRUCache<string, string>({ max: REMEMBERED });
  const parts = new LRUCache<string, { etag: string; md5: string }>({ max: REMEMBERED });
  let isFormTrusted = true;
  const objectId = ({ bucket, key }: ObjectName, etag: string) => `${bucket}\0${key}\0${etag}`;
  const partId = ({ uploadId, number }: PartName) => `${number}\0${uploadId}`;
  const ofObject = (object: ObjectName, etag: string): string | undefined => {
    const known = objects.get(objectId(object, etag));
    if (known !== undefined) return known;
    if (isMultipart(etag)) return etag.toLowerCase();
    return isFormTrusted && isMd5(etag) ? etag.toLowerCase() : undefined;
  };
  return {
    ofObject,
    ofHeaders(object, headers) {
      const etag = headers.get('etag');
      if (etag === undefined) return undefined;
      const name = unquoteEtag(etag);
      return keptMd5(headers) ?? ofObject(object, name) ?? (isMd5(name) ? name.toLowerCase() : name);
    },
    rememberObject(object, { etag, md5 }) {
      if (etag.toLowerCase() === md5) return;
      if (isMd5(etag)) isFormTrusted = false;
      objects.set(objectId(object, etag), md5);
    },
    part: (part) => parts.get(partId(part)),
    rememberPart(part, names) {
      parts.set(partId(part), names);
    },
    forgetPart(part) {
      parts.delete(partId(part));
    },
  };
}

function isMd5(etag: string): boolean {
  return /^[0-9a-f]{32}$/i.test(etag);
}

function isMultipart(etag: string): boolean {
  return /^[0-9a-f]{32}-\d+$/i.test(etag);
}
