import { S3Error } from './error.ts';
import { S3_NAMESPACE } from './xml.ts';

/**
 * Where the texts to edit stand: element name to the kind of its text, or to the elements inside it.
 * The kind `keep` leaves a text as it is.
 */
export type XmlShape<Kind extends string> = { readonly [element: string]: Kind | 'keep' | XmlShape<Kind> };

/** A shape made ready for `editXml`. */
export type CompiledShape<Kind extends string> = ReadonlyMap<string, Kind | 'keep' | CompiledShape<Kind>>;

export interface XmlEdits<Kind extends string> {
  readonly shape: CompiledShape<Kind>;
  /**
   * Gives the new text of an element. Both texts are escaped, as they stand in the document.
   * Undefined removes the element around this one: one entry of a list.
   */
  readonly edit: (kind: Kind, raw: string) => string | undefined;
  /** Called at the start of every element that holds others, by its name. */
  readonly enter?: (name: string) => void;
  /**
   * What becomes of elements outside the shape, and of attributes. `drop` lets only what is named pass, and gives
   * the root S3's namespace: whoever wrote the document cannot say anything unforeseen.
   */
  readonly others: 'keep' | 'drop';
}

/** Makes a shape ready. A `Map`, since the names looked up come from a document: `__proto__` is one like any other. */
export function compileShape<Kind extends string>(shape: XmlShape<Kind>): CompiledShape<Kind> {
  return new Map(
    Object.entries(shape).map(([name, inner]) => [name, typeof inner === 'string' ? inner : compileShape(inner)]),
  );
}

/**
 * Changes the texts of named elements in a document, and leaves every other byte as it is. Works on the text
 * itself: parsing and building a listing of 1,000 keys would block the event loop for tens of milliseconds.
 *
 * The document is taken as hostile. Nesting is checked to the last tag, and DOCTYPE, comments, CDATA and processing
 * instructions are refused.
 * @throws S3Error InternalError when the document is broken or has another shape; nothing of it is to be sent then
 */
export function editXml<Kind extends string>(text: string, edits: XmlEdits<Kind>): string {
  const isStrict = edits.others === 'drop';
  const open: OpenElement<Kind>[] = [];
  const out: string[] = [];
  let copied = 0;
  let skippedSince = -1;
  let position = afterDeclaration(text);
  let isRootClosed = false;

  for (;;) {
    const start = text.indexOf('<', position);
    const top = open[open.length - 1];
    const textEnd = start < 0 ? text.length : start;
    if ((top === undefined || (top.shape instanceof Map && isStrict)) && !isBlank(text, position, textEnd)) {
      throw broken('text outside of elements');
    }
    if (start < 0) break;

    if (text.charCodeAt(start + 1) === SLASH) {
      const end = text.indexOf('>', start);
      if (top === undefined || end < 0 || !closes(text, start, end, top.name)) throw broken('a wrong end tag');
      open.pop();
      position = end + 1;
      if (skippedSince === open.length) {
        copied = position;
        skippedSince = -1;
      } else if (top.isRemoved) {
        out.length = top.outLength;
        out.push(text.slice(top.copied, top.start));
        copied = position;
      } else if (skippedSince < 0 && isKind(top.shape)) {
        const raw = text.slice(top.textStart, start);
        const edited = edits.edit(top.shape, raw);
        const parent = open[open.length - 1];
        if (edited === undefined && parent !== undefined && open.length > 1) parent.isRemoved = true;
        else if (edited === undefined) throw broken('an entry that is the whole document');
        else if (edited !== raw) {
          out.push(text.slice(copied, top.textStart), edited);
          copied = start;
        }
      }
      isRootClosed = open.length === 0;
      continue;
    }

    if (isRootClosed) throw broken('a second root');
    const nameEnd = endOfName(text, start + 1);
    const end = endOfTag(text, nameEnd);
    const name = localName(text, start + 1, nameEnd);
    const isEmpty = text.charCodeAt(end - 1) === SLASH;
    const within = top === undefined ? edits.shape : top.shape;
    if (typeof within === 'string' && skippedSince < 0) throw broken(`elements inside ${top?.name}`);
    const shape = within instanceof Map ? within.get(name) : undefined;
    if (top === undefined && !(shape instanceof Map)) throw broken(`a root that is ${name}`);
    if (open.length >= MAX_DEPTH) throw broken('deep nesting');

    const before = { copied, outLength: out.length };
    if (shape === undefined && isStrict && skippedSince < 0) {
      out.push(text.slice(copied, start));
      if (isEmpty) copied = end + 1;
      else skippedSince = open.length;
    } else if (isStrict && skippedSince < 0 && (nameEnd !== end - (isEmpty ? 1 : 0) || top === undefined)) {
      const namespace = top === undefined ? ` xmlns="${S3_NAMESPACE}"` : '';
      out.push(text.slice(copied, nameEnd), namespace);
      copied = isEmpty ? end - 1 : end;
    }
    if (isEmpty) {
      if (skippedSince < 0 && isKind(shape)) {
        const edited = edits.edit(shape, '');
        if (edited === undefined) throw broken(`an empty ${name}`);
        if (edited !== '') {
          out.push(text.slice(copied, end - 1), `>${edited}</${text.slice(start + 1, nameEnd)}>`);
          copied = end + 1;
        }
      }
      isRootClosed = open.length === 0;
    } else {
      if (shape instanceof Map && skippedSince < 0) edits.enter?.(name);
      open.push({
        name: text.slice(start + 1, nameEnd),
        shape,
        start,
        textStart: end + 1,
        ...before,
        isRemoved: false,
      });
    }
    position = end + 1;
  }
  if (!isRootClosed) throw broken('an end before its root is closed');
  out.push(text.slice(copied));
  return out.join('');
}

interface OpenElement<Kind extends string> {
  readonly name: string;
  readonly shape: Kind | 'keep' | CompiledShape<Kind> | undefined;
  readonly start: number;
  readonly textStart: number;
  /** How far the input had been copied, and what the output held, where this element began. */
  readonly copied: number;
  readonly outLength: number;
  isRemoved: boolean;
}

const MAX_DEPTH = 16;
const SLASH = 0x2f;
const GREATER = 0x3e;
const COLON = 0x3a;

function isKind<Kind extends string>(shape: Kind | 'keep' | CompiledShape<Kind> | undefined): shape is Kind {
  return typeof shape === 'string' && shape !== 'keep';
}

function broken(what: string): S3Error {
  return new S3Error('InternalError', { cause: new Error(`the document has ${what}`) });
}

function afterDeclaration(text: string): number {
  const declaration = /^\uFEFF?\s*(<\?xml\s[^?<>]*\?>)?/.exec(text);
  return declaration?.[0].length ?? 0;
}

function isBlank(text: string, start: number, end: number): boolean {
  for (let index = start; index < end; index++) {
    const code = text.charCodeAt(index);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return false;
  }
  return true;
}

function closes(text: string, start: number, end: number, name: string): boolean {
  return text.startsWith(name, start + 2) && isBlank(text, start + 2 + name.length, end);
}

/** The index after an element name. Anything that does not begin like a name is a declaration, comment or garbage. */
function endOfName(text: string, start: number): number {
  let index = start;
  for (; index < text.length; index++) {
    const code = text.charCodeAt(index);
    const isLetter = (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f;
    const isOther = (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x2e || code === COLON;
    if (!isLetter && !(isOther && index > start)) break;
  }
  if (index === start) throw broken('something other than elements');
  return index;
}

/** The index of the `>` that ends a start tag, past any in attribute values. */
function endOfTag(text: string, nameEnd: number): number {
  const next = text.charCodeAt(nameEnd);
  if (next === GREATER) return nameEnd;
  const rest = /(?:\s+[A-Za-z_][\w:.-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*\/?>/y;
  rest.lastIndex = nameEnd;
  if (!rest.test(text)) throw broken('a broken tag');
  return rest.lastIndex - 1;
}

function localName(text: string, start: number, end: number): string {
  const name = text.slice(start, end);
  return name.includes(':') ? name.slice(name.indexOf(':') + 1) : name;
}
