/**
 * Percent-encoding as SigV4 wants it: every byte but RFC 3986's unreserved characters, upper-case hex.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html (UriEncode)
 */
const UNRESERVED = /^[A-Za-z0-9\-._~]*$/;
const UNRESERVED_PATH = /^[A-Za-z0-9\-._~/]*$/;

/** Encodes one query name or value, or one path segment: `/` is encoded too. */
export function encodeUri(text: string): string {
  return UNRESERVED.test(text) ? text : escape(text);
}

/** Encodes an object key for a path: as `encodeUri`, but `/` stays. Nothing is normalised. */
export function encodeKey(key: string): string {
  return UNRESERVED_PATH.test(key) ? key : escape(key).replaceAll('%2F', '/');
}

/**
 * Decodes percent-encoding once. `+` stays a plus, as in a path.
 * Undefined when a `%` is not followed by two hex digits or the bytes are not UTF-8.
 */
export function decodeUri(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function escape(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
