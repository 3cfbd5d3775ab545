/**
 * Header fields: lower-case name to value. Repeated fields are joined with `,` in arrival order,
 * as signatures of both versions have them.
 * Values are latin1 strings, one character a byte, as `node:http` and undici both give and take them;
 * that keeps the bytes whole without knowing their charset.
 */
export type Headers = ReadonlyMap<string, string>;

/** Fields that belong to one connection and never cross the gateway (RFC 9110 section 7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Makes headers from pairs, dropping those whose value is undefined. Names must be lower case. */
export function headersOf(fields: Readonly<Record<string, string | undefined>>): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) headers.set(name, value);
  }
  return headers;
}

/**
 * Joins node's `rawHeaders` (name, value, name, value ...) into headers.
 * A `Map` because names are the caller's choice: `__proto__` must be a name like any other.
 */
export function headersFromRaw(raw: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = raw[index + 1] ?? '';
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier},${value}`);
  }
  return headers;
}

/** What an object or a request is, whatever Connection says: it is not signed, so anyone on the way could strip them. */
const END_TO_END = /^(x-amz-|content-|if-|authorization$|cache-control$|date$|expires$|host$|range$)/;

/** Whether a field must stop here: hop-by-hop by RFC 9110, or named in this message's Connection header. */
export function hopByHop(headers: Headers): (name: string) => boolean {
  const connection = headers.get('connection');
  if (connection === undefined) return (name) => HOP_BY_HOP.has(name);
  const listed = connection.split(',').map((name) => name.trim().toLowerCase());
  const named = new Set(listed.filter((name) => !END_TO_END.test(name)));
  return (name) => HOP_BY_HOP.has(name) || named.has(name);
}

/** The text of a latin1 header value whose bytes are UTF-8, as S3 clients send metadata; else the value itself. */
export function decodeHeaderText(value: string): string {
  if (isAscii(value)) return value;
  const bytes = Buffer.from(value, 'latin1');
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : value;
}

/** The latin1 form, byte for byte, of a text that is to travel as UTF-8. */
export function encodeHeaderText(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0x7f) return false;
  }
  return true;
}
