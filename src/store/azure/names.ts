import { S3Error } from '../../s3/error.ts';

/** What we keep in a container beside its objects lies below this, and no client sees it. */
export const SYSTEM_PREFIX = '.sluice/';

/** Azure's limit, in UTF-16 code units. */
const MAX_NAME = 1024;

/** https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata */
const CONTAINER = /^(?=.{3,63}$)[a-z0-9](?:-?[a-z0-9])*$/;

/** Whether Azure can have a container of that name: no dots, no double hyphens, no upper case. */
export function isContainerName(bucket: string): boolean {
  return CONTAINER.test(bucket);
}

/**
 * What Azure cannot hold in a name, or takes for something else: `\` is read as `/`, a dot at the end of a segment
 * is dropped, control characters and U+FFFE, U+FFFF break its listings.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get into a name.
const UNSAFE = /[\\\x00-\x1f\x7f\uFFFE\uFFFF]|\.(?=\/|$)/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
const UNSAFE_INSIDE = /[\\\x00-\x1f\x7f\uFFFE\uFFFF]|\.(?=\/)/g;

/** What stands for those, `%XX`; and a `%` that such a text would be read from, which gets a `25` behind it. */
const CODE = '5C|[01][0-9A-F]|7F|FFF[EF]|2E(?=\\/|$)';
const PERCENT = new RegExp(`%(?=(?:25)*(?:${CODE}))`, 'g');
const ESCAPE = new RegExp(`%((?:25)*)(${CODE})`, 'g');

/** A key's end that could become part of an escape, depending on what follows. */
const OPEN_END = /(?:\.|%(?:25)*(?:2E?|5|0|1|7|F{1,3})?)$/;

/**
 * The blob name of a key: the key itself but for what Azure cannot hold. No two keys have one name.
 * @throws S3Error KeyTooLongError when the escapes make it too long; AccessDenied for our own names
 */
export function blobName(key: string): string {
  if (key.startsWith(SYSTEM_PREFIX)) throw new S3Error('AccessDenied');
  const name = escapeName(key);
  if (name.length > MAX_NAME) {
    throw new S3Error('KeyTooLongError', { detail: { Size: String(name.length), MaxSizeAllowed: String(MAX_NAME) } });
  }
  return name;
}

/** Levels of a path, its own name included, where names are paths. */
const MAX_LEVELS = 63;

/** Why a key is none in a hierarchical namespace: `//` is one slash there, a first slash none, and paths have an end. */
export function pathFault(key: string): S3Error | undefined {
  if (/^\/|\/\//.test(key)) {
    return new S3Error('InvalidArgument', { message: 'Keys cannot begin with / or hold // on this storage.' });
  }
  return key.split('/').length > MAX_LEVELS ? new S3Error('KeyTooLongError') : undefined;
}

/** The name that a key has or would have; for places in a listing, which need not be keys. */
export function escapeName(key: string): string {
  return key.replace(PERCENT, '%25').replace(UNSAFE, escapeOf);
}

/** The key of a blob name. */
export function keyOf(name: string): string {
  if (!name.includes('%')) return name;
  return name.replace(ESCAPE, (_, chain: string, code: string) =>
    chain === '' ? String.fromCharCode(Number.parseInt(code, 16)) : `%${chain.slice(2)}${code}`,
  );
}

/** A prefix of names that all keys with that prefix have; exact when no other keys have it. */
export function namePrefix(prefix: string): { readonly name: string; readonly isExact: boolean } {
  const stable = prefix.replace(OPEN_END, '');
  const name = stable.replace(PERCENT_INSIDE, '%25').replace(UNSAFE_INSIDE, escapeOf);
  return { name, isExact: stable === prefix };
}

const PERCENT_INSIDE = new RegExp(`%(?=(?:25)*(?:${CODE.replace('(?=\\/|$)', '(?=\\/)')}))`, 'g');

function escapeOf(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
