import { decodeUri, encodeKey } from '../../s3/uri.ts';
import { escapeXml, unescapeXml } from '../../s3/xml.ts';

/** How the texts of a listing are written. */
export interface TextCoding {
  /** Undefined when the text is broken. */
  readonly decode: (raw: string) => string | undefined;
  readonly encode: (text: string) => string;
}

export const PLAIN: TextCoding = { decode: unescapeXml, encode: escapeXml };

/** As `encoding-type=url` asks: services write a space as `+`, and a plus as `%2B`; we write a space as `%20`. */
export const PERCENT: TextCoding = {
  decode: (raw) => {
    const text = unescapeXml(raw);
    return text === undefined ? undefined : decodeUri(text.replaceAll('+', ' '));
  },
  encode: encodeKey,
};

/** The coding a listing says it is written in. Text cannot hold a `<`, so this finds the element or nothing. */
export function codingOf(document: string): TextCoding {
  return /<EncodingType>\s*url\s*<\/EncodingType>/i.test(document) ? PERCENT : PLAIN;
}
