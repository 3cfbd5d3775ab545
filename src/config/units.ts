const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};
const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };

/** Bytes of a size such as `16MiB` or `512KB`; undefined when it is not one. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/, SIZE_UNITS);
}

/** Milliseconds of a duration such as `5s`, `250ms` or `6d`; undefined when it is not one. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, /^(\d+(?:\.\d+)?)\s*([a-z]+)$/, DURATION_UNITS);
}

function parseQuantity(text: string, form: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const match = form.exec(text.trim());
  const unit = match === null ? undefined : units[match[2] ?? ''];
  if (match === null || unit === undefined) return undefined;
  const value = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(value) ? value : undefined;
}
