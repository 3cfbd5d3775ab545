import { checkKey, isBucketName } from '../../s3/address.ts';
import { decodeHeaderText, type Headers } from '../../s3/headers.ts';
import { decodeUri } from '../../s3/uri.ts';
import type { ObjectPlace } from '../object-store.ts';
import { checkVersion } from '../operation.ts';
import { invalidArgument } from './parameters.ts';

const COPY_SOURCE = 'x-amz-copy-source';

/**
 * Reads the source of a copy in all its spellings: with and without the leading slash, percent-encoded or plain
 * UTF-8. The version is split off before anything is decoded, so that `%3F` stays part of the key.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
 * @throws S3Error InvalidArgument, NoSuchVersion, KeyTooLongError
 */
export function parseCopySource(headers: Headers): ObjectPlace {
  const text = decodeHeaderText(headers.get(COPY_SOURCE) ?? '');
  const [, rawPath = '', rawVersion] = /^(?:\/|%2F)?(.*?)(?:\?versionId=([^?&]*))?$/is.exec(text) ?? [];
  const path = decodeUri(rawPath);
  const slash = path?.indexOf('/') ?? -1;
  if (path === undefined || slash < 1 || slash === path.length - 1 || !isBucketName(path.slice(0, slash))) {
    const message = 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey';
    throw invalidArgument(COPY_SOURCE, text, message);
  }
  if (rawVersion !== undefined) checkVersion(decodeUri(rawVersion) ?? rawVersion);
  const key = path.slice(slash + 1);
  checkKey(key);
  return { bucket: path.slice(0, slash), key };
}

/** Whether a directive says REPLACE rather than COPY, its default. @throws S3Error InvalidArgument */
export function isReplaced(headers: Headers, directive: 'metadata' | 'tagging'): boolean {
  const name = `x-amz-${directive}-directive`;
  const value = headers.get(name);
  if (value === undefined || value === 'COPY') return false;
  if (value === 'REPLACE') return true;
  throw invalidArgument(name, value, `Unknown ${directive} directive.`);
}
