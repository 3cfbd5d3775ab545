/** An ETag as it stands in a header or XML: the opaque value in double quotes. */
export function quoteEtag(value: string): string {
  return `"${value}"`;
}

/** The value without quotes. Clients send both forms, in Complete and in If-Match alike. */
export function unquoteEtag(etag: string): string {
  return etag.length >= 2 && etag.startsWith('"') && etag.endsWith('"') ? etag.slice(1, -1) : etag;
}

/**
 * Whether a comma-separated If-Match or If-None-Match list names this ETag, or is `*`. Only strong
 * comparison exists in S3, but a `W/` put there by a proxy is overlooked, as AWS does for If-None-Match.
 * @param etag unquoted
 */
export function etagListed(list: string, etag: string): boolean {
  return list.split(',').some((item) => {
    const candidate = item.trim();
    return candidate === '*' || unquoteEtag(candidate.replace(/^W\//, '')) === etag;
  });
}
