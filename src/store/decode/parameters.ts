import { S3Error } from '../../s3/error.ts';
import type { Query } from '../../s3/query.ts';

/** The most entries of one page of any listing. */
export const MAX_PAGE = 1000;

/** InvalidArgument that names the argument and its value, as AWS's does. */
export function invalidArgument(name: string, value: string, message?: string): S3Error {
  return new S3Error('InvalidArgument', {
    ...(message !== undefined && { message }),
    detail: { ArgumentName: name, ArgumentValue: value },
  });
}

/**
 * Reads a whole number; an absent or empty one is `fallback`.
 * @throws S3Error InvalidArgument when it is anything else, or beyond 32 bits as AWS has it
 */
export function parseCount(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined || text === '') return fallback;
  const count = Number(text);
  if (/^\d{1,10}$/.test(text) && count <= 0x7fffffff) return count;
  throw invalidArgument(name, text, `Argument ${name} must be an integer between 0 and 2147483647`);
}

/** The size of a page as asked for, at most S3's 1,000. */
export function parsePageSize(query: Query, name: string): number {
  return Math.min(parseCount(name, query.get(name), MAX_PAGE), MAX_PAGE);
}

/** Whether keys of the answer are to be percent-encoded. @throws S3Error InvalidArgument */
export function parseEncodingType(query: Query): boolean {
  const type = query.get('encoding-type');
  if (type === undefined || type === '') return false;
  if (type === 'url') return true;
  throw invalidArgument('encoding-type', type, 'Invalid Encoding Method specified in Request');
}

const MAX_PART_NUMBER = 10_000;

/** @throws S3Error InvalidArgument unless it is 1 to 10,000 */
export function parsePartNumber(text: string): number {
  const number = Number(text);
  if (/^\d{1,5}$/.test(text) && number >= 1 && number <= MAX_PART_NUMBER) return number;
  throw invalidArgument('partNumber', text, 'Part number must be an integer between 1 and 10000, inclusive');
}
