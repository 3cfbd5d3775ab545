import { decodeUri, encodeKey, encodeUri } from '../s3/uri.ts';
import { escapeXml, unescapeXml } from '../s3/xml.ts';

/** How the texts of one document are written: plain, or percent-encoded as `encoding-type=url` asks. */
export interface TextCoding {
  /** Undefined when the text is broken. */
  readonly decode: (raw: string) => string | undefined;
  readonly encode: (text: string) => string;
  /** The usual spellings of a text. What follows one of them in a document is spelt by itself. */
  readonly spellings: (text: string) => readonly string[];
}

/**
 * Escapes text for an element, control characters as references. XML 1.0 does not allow those, but S3 writes them so
 * for a client that did not ask for `encoding-type=url`, and dropping them would name another key.
 */
export function escapeText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped
  return escapeXml(text).replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, (char) => `&#${char.charCodeAt(0)};`);
}

const PLAIN: TextCoding = {
  decode: unescapeXml,
  encode: escapeText,
  spellings: (text) => [escapeText(text)],
};

/** S3 writes a space as `+`, and a plus as `%2B`. Where we write a space, it is `%20`, which every client reads alike. */
const PERCENT: TextCoding = {
  decode: (raw) => {
    const text = unescapeXml(raw);
    return text === undefined ? undefined : decodeUri(text.replaceAll('+', ' '));
  },
  encode: encodeKey,
  spellings: (text) => [encodeKey(text), encodeUri(text)],
};

/** The coding that a listing says it is written in, whatever was asked for. */
export function codingOf(document: string): TextCoding {
  // Text cannot hold a `<`, so this finds the element or nothing.
  return /<EncodingType>\s*url\s*<\/EncodingType>/i.test(document) ? PERCENT : PLAIN;
}
