import type { ItemSource } from './item-source.ts';
import type { ListItem } from './list-page.ts';

/*
 * Azure lists by UTF-16 code units, S3 by UTF-8 bytes. They differ in one thing: characters beyond U+FFFF, which are
 * surrogates in UTF-16, come before U+E000 to U+FFFF there and after them here. So wherever names go on with a
 * surrogate behind what they have in common, those that go on with U+E000 and above are fetched first.
 */

const HIGH = /[\uD800-\uFFFF]/g;
/** The two kinds of such characters, in the order of UTF-8: where each begins, and what is in it. */
const PHASES = [
  { first: '\uE000', has: (unit: number) => unit >= 0xe000 },
  { first: '\u{10000}', has: (unit: number) => unit >= 0xd800 && unit < 0xe000 },
] as const;

/**
 * Items in the order of their names' UTF-8 bytes: those that begin with `base`, from `from` on.
 * The caller may move the source forward between two items, but not beyond `base`.
 */
export async function* ordered(
  source: ItemSource,
  base: string,
  from: string | undefined,
): AsyncGenerator<ListItem, void, void> {
  if (from !== undefined) {
    const at = highAt(from, base.length);
    if (at === undefined) {
      await source.seek(from);
    } else {
      yield* highOnes(source, from.slice(0, at), from);
    }
  }
  for (;;) {
    const item = await source.peek();
    if (item === undefined || !item.name.startsWith(base)) return;
    const at = highAt(item.name, base.length);
    if (at === undefined) {
      source.advance();
      yield item;
    } else {
      yield* highOnes(source, item.name.slice(0, at), undefined);
    }
  }
}

/** Items that go on with a high character behind `group`; leaves the source behind all that begin with `group`. */
async function* highOnes(
  source: ItemSource,
  group: string,
  from: string | undefined,
): AsyncGenerator<ListItem, void, void> {
  let start = from;
  for (const { first, has } of PHASES) {
    const startsHere = start !== undefined && has(start.charCodeAt(group.length));
    if (start !== undefined && !startsHere) continue;
    if (start === undefined) {
      await source.seek(group + first);
    } else {
      const child = childOf(start, group.length);
      yield* ordered(source, child, start);
      start = undefined;
    }
    for (;;) {
      const item = await source.peek();
      const isIn = item?.name.startsWith(group) && has(item.name.charCodeAt(group.length));
      if (item === undefined || isIn !== true) break;
      yield* ordered(source, childOf(item.name, group.length), undefined);
    }
  }
  await source.seek(source.order.successor(group));
}

/** The part of a name up to and with the character at a place. */
function childOf(name: string, at: number): string {
  return name.slice(0, at) + String.fromCodePoint(name.codePointAt(at) ?? 0);
}

function highAt(name: string, start: number): number | undefined {
  HIGH.lastIndex = start;
  return HIGH.exec(name)?.index;
}
