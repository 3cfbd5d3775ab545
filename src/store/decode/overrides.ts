import { encodeHeaderText, type Headers } from '../../s3/headers.ts';
import type { Query } from '../../s3/query.ts';
import { invalidArgument } from './parameters.ts';

/** Query parameter to the response header it overrides. */
const OVERRIDES: ReadonlyMap<string, string> = new Map([
  ['response-content-type', 'content-type'],
  ['response-content-language', 'content-language'],
  ['response-expires', 'expires'],
  ['response-cache-control', 'cache-control'],
  ['response-content-disposition', 'content-disposition'],
  ['response-content-encoding', 'content-encoding'],
]);

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get into a header.
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/**
 * The response headers that a GetObject or HeadObject asks for.
 * @throws S3Error InvalidArgument for control characters
 */
export function parseOverrides(query: Query): Headers {
  const headers = new Map<string, string>();
  for (const { name, value } of query.parameters) {
    const header = OVERRIDES.get(name);
    if (header === undefined) continue;
    const text = encodeHeaderText(value);
    if (CONTROL.test(text)) throw invalidArgument(name, '');
    headers.set(header, text);
  }
  return headers;
}
