/**
 * Whether a bucket name matches a pattern: `*` stands for any characters, `?` for exactly one.
 * Without a regular expression, since patterns with several stars would make one backtrack without end.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  let at = 0;
  let inPattern = 0;
  let starAt = -1;
  let resumeAt = 0;
  while (at < name.length) {
    const wanted = pattern[inPattern];
    if (wanted === '*') {
      starAt = inPattern++;
      resumeAt = at;
    } else if (wanted === '?' || (wanted !== undefined && wanted === name[at])) {
      inPattern++;
      at++;
    } else if (starAt >= 0) {
      inPattern = starAt + 1;
      at = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[inPattern] === '*') inPattern++;
  return inPattern === pattern.length;
}
