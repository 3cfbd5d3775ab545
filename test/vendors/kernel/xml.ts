/** Enough XML for a stand-in: it writes what vendors write and reads what S3 clients send. */

/** Escapes text for an element. Characters that XML cannot hold stay as references, as S3 writes them. */
export function escape(text: string): string {
  return text.replace(/[&<>"'\p{Cc}]/gu, (char) => `&#${char.charCodeAt(0)};`);
}

/** Children in their order; an array repeats its element. `undefined` leaves one out. */
export interface Content {
  readonly [name: string]: string | number | boolean | Content | readonly (Content | string)[] | undefined;
}

function children(content: Content): string {
  return Object.entries(content)
    .map(([name, value]) => {
      if (value === undefined) return '';
      const all = Array.isArray(value) ? value : [value];
      return all
        .map((one) => `<${name}>${typeof one === 'object' ? children(one) : escape(String(one))}</${name}>`)
        .join('');
    })
    .join('');
}

/** A document. */
export function document(root: string, namespace: string | undefined, content: Content): string {
  const attribute = namespace === undefined ? '' : ` xmlns="${namespace}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attribute}>${children(content)}</${root}>`;
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex, decimal, name) => {
    if (name !== undefined) return NAMED[name] ?? whole;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
  });
}

/** The contents of every element of a name, undecoded. */
export function elements(xml: string, name: string): readonly string[] {
  return [...xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?(?:/>|>(.*?)</${name}>)`, 'gs'))].map(
    (match) => match[1] ?? '',
  );
}

/** The text of the first element of a name. */
export function text(xml: string, name: string): string | undefined {
  const [first] = elements(xml, name);
  return first === undefined ? undefined : unescape(first);
}
