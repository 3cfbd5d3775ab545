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
  return new Editor(text, edits).run();
}

/** An element whose end tag has not come yet. Elements that hold only text are done with in one step, and never here. */
interface OpenElement<Kind extends string> {
  /** With its namespace prefix, as its end tag must repeat it. */
  readonly name: string;
  /** Undefined for one outside the shape. */
  readonly shape: CompiledShape<Kind> | undefined;
  readonly start: number;
  /** How far the input had been copied, and what the output held, where this element began. */
  readonly copied: number;
  readonly outLength: number;
  /** The children that elements of this shape had so far, and where among them the next is looked for. */
  readonly steps: Step<Kind>[];
  nextStep: number;
  isRemoved: boolean;
}

/**
 * One child of a shape, as it was written before. Entries of a list repeat their children in one order, so a tag is
 * first compared with the expected one; that saves an eighth of the time of a listing.
 */
interface Step<Kind extends string> {
  readonly name: string;
  readonly inner: Kind | 'keep' | CompiledShape<Kind> | undefined;
}

/** One pass over a document. The output is what was pushed, and the input from `#copied` on. */
class Editor<Kind extends string> {
  readonly #text: string;
  readonly #edits: XmlEdits<Kind>;
  readonly #isStrict: boolean;
  readonly #open: OpenElement<Kind>[] = [];
  readonly #out: string[] = [];
  readonly #steps = new Map<CompiledShape<Kind>, Step<Kind>[]>();
  #copied = 0;
  /** Depth of the element that is being dropped; undefined when none is. */
  #dropDepth: number | undefined;
  #isRootClosed = false;

  constructor(text: string, edits: XmlEdits<Kind>) {
    this.#text = text;
    this.#edits = edits;
    this.#isStrict = edits.others === 'drop';
  }

  run(): string {
    const text = this.#text;
    let position = afterDeclaration(text);
    for (;;) {
      const start = text.indexOf('<', position);
      const top = this.#open[this.#open.length - 1];
      const isTextRefused = top === undefined || (this.#isStrict && top.shape !== undefined);
      if (isTextRefused && !isBlank(text, position, start < 0 ? text.length : start)) {
        throw broken('text outside of elements');
      }
      if (start < 0) break;
      position = text.charCodeAt(start + 1) === SLASH ? this.#endTag(start, top) : this.#startTag(start, top);
    }
    if (!this.#isRootClosed) throw broken('an end before its root is closed');
    this.#out.push(text.slice(this.#copied));
    return this.#out.join('');
  }

  /** @returns the position after the tag; of an element of text, after its end tag */
  #startTag(start: number, top: OpenElement<Kind> | undefined): number {
    const text = this.#text;
    if (this.#isRootClosed) throw broken('a second root');
    if (this.#open.length >= MAX_DEPTH) throw broken('deep nesting');
    const expected = top?.steps[top.nextStep];
    const isExpected = expected !== undefined && isPlainTag(text, start + 1, expected.name);
    const nameEnd = isExpected ? start + 1 + expected.name.length : endOfName(text, start + 1);
    const end = isExpected ? nameEnd : endOfTag(text, nameEnd);
    const isEmpty = text.charCodeAt(end - 1) === SLASH;
    const { name, inner } = isExpected ? expected : this.#lookUp(text.slice(start + 1, nameEnd), top);
    if (top !== undefined && isExpected) top.nextStep++;
    if (top === undefined && !(inner instanceof Map)) throw broken(`a root that is ${name}`);

    const copied = this.#copied;
    const outLength = this.#out.length;
    const isDropping = this.#dropDepth !== undefined;
    if (this.#isStrict && !isDropping) {
      if (inner === undefined) this.#drop(start, isEmpty ? end + 1 : undefined);
      else if (top === undefined) this.#replace(nameEnd, isEmpty ? end - 1 : end, ` xmlns="${S3_NAMESPACE}"`);
      else if (end - nameEnd > 1 || (end > nameEnd && !isEmpty)) this.#replace(nameEnd, isEmpty ? end - 1 : end, '');
    }
    if (typeof inner === 'string' && !isDropping) return this.#textElement({ end, isEmpty, name, inner });
    if (isEmpty) {
      this.#isRootClosed = top === undefined;
      return end + 1;
    }
    // A string here stands inside what is dropped.
    const shape = typeof inner === 'string' ? undefined : inner;
    if (shape !== undefined && !isDropping) this.#edits.enter?.(name);
    const steps = this.#stepsOf(shape);
    this.#open.push({ name, shape, start, copied, outLength, steps, nextStep: 0, isRemoved: false });
    return end + 1;
  }

  #lookUp(name: string, parent: OpenElement<Kind> | undefined): Step<Kind> {
    const within = parent === undefined ? this.#edits.shape : parent.shape;
    const step = { name, inner: within?.get(localName(name)) };
    if (parent === undefined) return step;
    const known = parent.steps.findIndex((each) => each.name === name);
    parent.nextStep = (known < 0 ? parent.steps.length : known) + 1;
    if (known < 0 && parent.steps.length < MAX_STEPS) parent.steps.push(step);
    return step;
  }

  #stepsOf(shape: CompiledShape<Kind> | undefined): Step<Kind>[] {
    // Outside the shape nothing is looked up; what an element there had says nothing of the next one.
    if (shape === undefined) return [];
    const steps = this.#steps.get(shape) ?? [];
    this.#steps.set(shape, steps);
    return steps;
  }

  #endTag(start: number, top: OpenElement<Kind> | undefined): number {
    const text = this.#text;
    const end = text.indexOf('>', start);
    if (top === undefined || end < 0 || !closes(text, start, end, top.name)) throw broken('a wrong end tag');
    this.#open.pop();
    if (this.#dropDepth === this.#open.length) {
      this.#copied = end + 1;
      this.#dropDepth = undefined;
    } else if (top.isRemoved) {
      this.#out.length = top.outLength;
      this.#out.push(text.slice(top.copied, top.start));
      this.#copied = end + 1;
    }
    this.#isRootClosed = this.#open.length === 0;
    return end + 1;
  }

  #textElement(tag: TextTag<Kind>): number {
    const text = this.#text;
    const { end, isEmpty, name, inner } = tag;
    const textEnd = isEmpty ? end + 1 : text.indexOf('<', end);
    const isPlain = !isEmpty && text.charCodeAt(textEnd + 1) === SLASH && isPlainTag(text, textEnd + 2, name);
    const close = isEmpty ? end : isPlain ? textEnd + 2 + name.length : text.indexOf('>', textEnd);
    if (!isEmpty && !isPlain && (textEnd < 0 || close < 0 || !closes(text, textEnd, close, name))) {
      throw broken(`something other than text inside ${name}`);
    }
    if (inner === 'keep') return close + 1;
    const raw = isEmpty ? '' : text.slice(end + 1, textEnd);
    // `keep` has been seen to; what is left is a kind of the caller's.
    const edited = this.#edits.edit(inner as Kind, raw);
    const entry = this.#open[this.#open.length - 1];
    if (edited === undefined) {
      if (entry === undefined || this.#open.length < 2) throw broken('an entry that is the whole document');
      entry.isRemoved = true;
    } else if (isEmpty && edited !== '') {
      this.#replace(end - 1, end + 1, `>${edited}</${name}>`);
    } else if (edited !== raw) {
      this.#replace(end + 1, textEnd, edited);
    }
    return close + 1;
  }

  /** Puts other text in the place of a stretch of the input. */
  #replace(start: number, end: number, by: string): void {
    this.#out.push(this.#text.slice(this.#copied, start), by);
    this.#copied = end;
  }

  /** Leaves out the element that begins at `start`: up to `end`, or to its end tag when that is still to come. */
  #drop(start: number, end: number | undefined): void {
    this.#out.push(this.#text.slice(this.#copied, start));
    if (end === undefined) this.#dropDepth = this.#open.length;
    else this.#copied = end;
  }
}

interface TextTag<Kind extends string> {
  /** Where its start tag's `>` is. */
  readonly end: number;
  readonly isEmpty: boolean;
  readonly name: string;
  readonly inner: Kind | 'keep';
}

const MAX_DEPTH = 16;
const MAX_STEPS = 32;
const SLASH = 0x2f;
const GREATER = 0x3e;

/** ASCII characters of element names: 2 may begin one, 1 may follow. A table, since this runs for every letter. */
const NAME_CHARACTERS = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  return /[A-Za-z_]/.test(character) ? 2 : /[0-9:.-]/.test(character) ? 1 : 0;
});

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

/** Whether a tag's name is this one, and nothing else is in the tag. */
function isPlainTag(text: string, start: number, name: string): boolean {
  return text.charCodeAt(start + name.length) === GREATER && text.startsWith(name, start);
}

function closes(text: string, start: number, end: number, name: string): boolean {
  return text.startsWith(name, start + 2) && isBlank(text, start + 2 + name.length, end);
}

/** The index after an element name. Anything that does not begin like a name is a declaration, comment or garbage. */
function endOfName(text: string, start: number): number {
  if (NAME_CHARACTERS[text.charCodeAt(start)] !== 2) throw broken('something other than elements');
  let index = start + 1;
  while ((NAME_CHARACTERS[text.charCodeAt(index)] ?? 0) > 0) index++;
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

function localName(name: string): string {
  const colon = name.indexOf(':');
  return colon < 0 ? name : name.slice(colon + 1);
}
