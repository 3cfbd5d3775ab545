import { S3Error } from '../s3/error.ts';

/** How far a request's date may be from ours, either way. */
export const MAX_SKEW_SECONDS = 900;

const AMZ_DATE = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;

/** Reads `yyyymmddThhmmssZ`. Undefined unless it is exactly that and a day that exists. */
export function parseAmzDate(text: string): Date | undefined {
  const match = AMZ_DATE.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  // Days past the month's end and the hour 24 run over into another day; all else that does not exist is no date.
  return date.getUTCDate() === Number(day) ? date : undefined;
}

/** Writes `yyyymmddThhmmssZ`. */
export function formatAmzDate(date: Date): string {
  return date.toISOString().replace(/[-:]|\.\d{3}/g, '');
}

const HTTP_DATE =
  /^(?:[A-Z][a-z]{2,8}, )?\d{1,2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d{2}:\d{2}:\d{2} (?:GMT|UTC|Z|[+-]\d{4})$/;

/** Reads a date in any form a `Date` or `x-amz-date` header has been seen with. */
export function parseHeaderDate(text: string): Date | undefined {
  const amz = parseAmzDate(text);
  if (amz !== undefined) return amz;
  if (!HTTP_DATE.test(text) && !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z$/.test(text)) return undefined;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** @throws S3Error RequestTimeTooSkewed */
export function checkSkew(requestTime: Date, now: Date): void {
  if (Math.abs(requestTime.getTime() - now.getTime()) <= MAX_SKEW_SECONDS * 1000) return;
  throw new S3Error('RequestTimeTooSkewed', {
    detail: {
      RequestTime: requestTime.toISOString(),
      ServerTime: now.toISOString(),
      MaxAllowedSkewMilliseconds: String(MAX_SKEW_SECONDS * 1000),
    },
  });
}
