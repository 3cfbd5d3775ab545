import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { S3Error } from './error.ts';

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** An element to write: its name, and its text or its child elements. Undefined content leaves it out. */
export type XmlNode = readonly [name: string, content: string | number | boolean | undefined | readonly XmlNode[]];

/** An element that was read. Text is as written, with references decoded and nothing trimmed or converted. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** The largest document any operation needs but CompleteMultipartUpload, whose 10,000 parts take more. */
export const MAX_XML_BYTES = 1024 * 1024;
const MAX_DEPTH = 8;

const parser = new XMLParser({
  preserveOrder: true,
  trimValues: false,
  parseTagValue: false,
  parseAttributeValue: false,
  ignoreAttributes: true,
  removeNSPrefix: true,
  processEntities: false,
});

/**
 * Reads a document, refusing all that two parsers could read differently: anything not well formed, DOCTYPE,
 * comments, CDATA, processing instructions, other encodings than UTF-8, unknown entities, deep nesting.
 * Attributes are passed over.
 * @throws S3Error MalformedXML
 */
export function parseXml(bytes: Uint8Array, rootName?: string): XmlElement {
  const text = decodeUtf8(bytes).replace(/^\uFEFF?\s*<\?xml\s[^?]*\?>/, '');
  if (/<[!?]/.test(text) || XMLValidator.validate(text) !== true) throw new S3Error('MalformedXML');
  const roots = (parse(text) as RawNode[]).filter((node) => !('#text' in node));
  const root = roots[0];
  if (root === undefined || roots.length > 1) throw new S3Error('MalformedXML');
  const element = toElement(root, 1);
  if (rootName !== undefined && element.name !== rootName) throw new S3Error('MalformedXML');
  return element;
}

/** The text of the only child of that name; undefined when there is none. @throws S3Error MalformedXML when repeated */
export function childText(element: XmlElement, name: string): string | undefined {
  const found = element.children.filter((child) => child.name === name);
  if (found.length > 1) throw new S3Error('MalformedXML');
  return found[0]?.text;
}

/** Writes a document in S3's namespace, as results and configurations are. */
export function buildXml(root: XmlNode): string {
  const [name, content] = root;
  return `${DECLARATION}<${name} xmlns="${S3_NAMESPACE}">${inner(content)}</${name}>`;
}

/** Writes a document without a namespace, as S3's error documents are. */
export function buildPlainXml([name, content]: XmlNode): string {
  return `${DECLARATION}<${name}>${inner(content)}</${name}>`;
}

/**
 * Escapes text for an element. A carriage return would be read back as a line feed, so it goes as a reference.
 * Other control characters cannot stand in XML 1.0 at all; clients that need them ask for `encoding-type=url`.
 */
export function escapeXml(text: string): string {
  return /[&<>"'\r]/.test(text) ? text.replace(/[&<>"'\r]/g, (char) => ESCAPES[char] ?? char) : text;
}

/** Undoes `escapeXml`, and any numeric reference. Undefined when a reference is unknown or broken. */
export function unescapeXml(text: string): string | undefined {
  if (!text.includes('&')) return text;
  let isKnown = true;
  const decoded = text.replace(/&([^;&]*);?/g, (reference, name: string) => {
    const char = reference.endsWith(';') ? decodeReference(name) : undefined;
    if (char === undefined) isKnown = false;
    return char ?? '';
  });
  return isKnown ? decoded : undefined;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\r': '&#13;',
};
const NAMED = new Map(Object.entries(ESCAPES).map(([char, reference]) => [reference.slice(1, -1), char]));

function decodeReference(name: string): string | undefined {
  const named = NAMED.get(name);
  if (named !== undefined) return named;
  const numeric = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
  if (numeric === null) return undefined;
  const code = numeric[1] === undefined ? Number(numeric[2]) : Number.parseInt(numeric[1], 16);
  const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return isCharacter ? String.fromCodePoint(code) : undefined;
}

function inner(content: XmlNode[1]): string {
  if (!Array.isArray(content)) return escapeXml(String(content ?? ''));
  let text = '';
  for (const [name, child] of content as readonly XmlNode[]) {
    if (child !== undefined) text += `<${name}>${inner(child)}</${name}>`;
  }
  return text;
}

type RawNode = Readonly<Record<string, unknown>>;

function parse(text: string): unknown {
  try {
    return parser.parse(text);
  } catch (cause) {
    throw new S3Error('MalformedXML', { cause });
  }
}

function toElement(node: RawNode, depth: number): XmlElement {
  if (depth > MAX_DEPTH) throw new S3Error('MalformedXML');
  const name = Object.keys(node).find((key) => key !== ':@') ?? '';
  let text = '';
  const children: XmlElement[] = [];
  for (const child of node[name] as RawNode[]) {
    if ('#text' in child) {
      const decoded = unescapeXml(String(child['#text']));
      if (decoded === undefined) throw new S3Error('MalformedXML');
      text += decoded;
    } else {
      children.push(toElement(child, depth + 1));
    }
  }
  return { name, text, children };
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new S3Error('MalformedXML', { cause });
  }
}
