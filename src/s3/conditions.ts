import { etagListed } from './etag.ts';
import type { Headers } from './headers.ts';

/** The four conditions of a request, as received. Dates that do not parse are left out, as RFC 9110 says. */
export interface Conditions {
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly ifModifiedSince?: Date;
  readonly ifUnmodifiedSince?: Date;
}

/** What a condition is held against. `etag` is unquoted. */
export interface Validators {
  readonly etag: string;
  readonly lastModified: Date;
}

/**
 * Reads conditions from headers.
 * @param prefix '' for the request's own, 'x-amz-copy-source-' for those on a copy's source
 */
export function parseConditions(headers: Headers, prefix: '' | 'x-amz-copy-source-' = ''): Conditions {
  const ifMatch = headers.get(`${prefix}if-match`);
  const ifNoneMatch = headers.get(`${prefix}if-none-match`);
  const ifModifiedSince = parseDate(headers.get(`${prefix}if-modified-since`));
  const ifUnmodifiedSince = parseDate(headers.get(`${prefix}if-unmodified-since`));
  return {
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifModifiedSince && { ifModifiedSince }),
    ...(ifUnmodifiedSince && { ifUnmodifiedSince }),
  };
}

export function hasConditions(conditions: Conditions): boolean {
  return Object.keys(conditions).length > 0;
}

/**
 * Holds conditions against an object (RFC 9110 section 13.2.2). If-Match true overrides If-Unmodified-Since, and
 * If-None-Match overrides If-Modified-Since, as AWS documents for GetObject. A copy's source uses the same
 * rules, and answers 412 where a read would answer 304.
 */
export function evaluateConditions(
  conditions: Conditions,
  object: Validators,
): 'satisfied' | 'failed' | 'not-modified' {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  if (ifMatch !== undefined) {
    if (!etagListed(ifMatch, object.etag)) return 'failed';
  } else if (ifUnmodifiedSince !== undefined && seconds(object.lastModified) > seconds(ifUnmodifiedSince)) {
    return 'failed';
  }
  if (ifNoneMatch !== undefined) {
    if (etagListed(ifNoneMatch, object.etag)) return 'not-modified';
  } else if (ifModifiedSince !== undefined && seconds(object.lastModified) <= seconds(ifModifiedSince)) {
    return 'not-modified';
  }
  return 'satisfied';
}

/** HTTP dates have whole seconds; objects are newer by a fraction of one. */
function seconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}

function parseDate(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
