/**
 * Takes spaces and tabs off both ends. `trim` would also take no-break spaces and others, which are part of a
 * header's value; a pattern like `/ +$/` takes a time that grows with the square of a run of blanks inside.
 */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
