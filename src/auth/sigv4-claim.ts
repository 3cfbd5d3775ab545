import { S3Error, type S3ErrorCode } from '../s3/error.ts';
import type { Headers } from '../s3/headers.ts';
import type { Query } from '../s3/query.ts';
import { trimBlanks } from './blanks.ts';
import { formatAmzDate, parseAmzDate, parseHeaderDate } from './clock.ts';
import type { Scope } from './credentials.ts';
import { V4_PARAMETERS } from './mechanism.ts';

/** What a V4 request says of its own signature, before any of it is believed. */
export interface V4Claim {
  readonly place: 'header' | 'query';
  readonly accessKey: string;
  readonly scope: Scope;
  /** Lower case, sorted, unique. */
  readonly signedHeaders: readonly string[];
  /** As sent: it may be anything. */
  readonly signature: string;
  /** yyyymmddThhmmssZ, as it stands in the string to sign. */
  readonly timestamp: string;
  readonly time: Date;
  /** Seconds that a presigned URL is good for, from `time`. */
  readonly expires: number | undefined;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const COMPONENTS = ['Credential', 'SignedHeaders', 'Signature'] as const;
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const MAX_SIGNED_HEADERS = 200;
const MAX_EXPIRES_SECONDS = 604_800;

/**
 * Reads the Authorization header and the request's date.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
 * @throws S3Error AuthorizationHeaderMalformed; AccessDenied without a date that can be read
 */
export function parseV4Header(headers: Headers): V4Claim {
  const code = 'AuthorizationHeaderMalformed';
  const components = readComponents((headers.get('authorization') ?? '').slice(ALGORITHM.length));
  const credential = readCredential(components.Credential, code);
  const signedHeaders = readSignedHeaders(components.SignedHeaders, code);
  const time = headerTime(headers);
  const timestamp = headers.get('x-amz-date') ?? formatAmzDate(time);
  checkDay(credential.scope, timestamp, code);
  const { accessKey, scope } = credential;
  const { Signature: signature } = components;
  return { place: 'header', accessKey, scope, signedHeaders, signature, timestamp, time, expires: undefined };
}

/**
 * Reads the parameters of a presigned URL.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 * @throws S3Error AuthorizationQueryParametersError
 */
export function parseV4Query(query: Query): V4Claim {
  const code = 'AuthorizationQueryParametersError';
  const [algorithm, credential, timestamp, expires, signedHeaders, signature] = V4_PARAMETERS.map((name) =>
    onlyValue(query, name),
  ) as [string, string, string, string, string, string]; // One for each name of the tuple.
  if (algorithm !== ALGORITHM) malformed(code, `X-Amz-Algorithm only supports "${ALGORITHM}"`);
  const { accessKey, scope } = readCredential(credential, code);
  const time = parseAmzDate(timestamp);
  if (time === undefined) malformed(code, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  checkDay(scope, timestamp, code);
  if (!/^\d{1,6}$/.test(expires) || Number(expires) > MAX_EXPIRES_SECONDS) {
    malformed(code, 'X-Amz-Expires must be a number of seconds from 0 to 604800');
  }
  return {
    place: 'query',
    accessKey,
    scope,
    signedHeaders: readSignedHeaders(signedHeaders, code),
    signature,
    timestamp,
    time,
    expires: Number(expires),
  };
}

/** `Credential=..., SignedHeaders=..., Signature=...`: each once and no other, in any order. */
function readComponents(text: string): Record<(typeof COMPONENTS)[number], string> {
  const code = 'AuthorizationHeaderMalformed';
  const found = new Map<string, string>();
  for (const part of text.split(',')) {
    const component = trimBlanks(part);
    const equals = component.indexOf('=');
    if (equals < 1 || equals === component.length - 1) malformed(code, 'A component is not of the form name=value.');
    found.set(component.slice(0, equals), component.slice(equals + 1));
  }
  const [Credential, SignedHeaders, Signature] = COMPONENTS.map((name) => found.get(name));
  const isComplete = found.size === COMPONENTS.length && text.split(',').length === COMPONENTS.length;
  if (!isComplete || Credential === undefined || SignedHeaders === undefined || Signature === undefined) {
    malformed(code, 'The header must have exactly Credential, SignedHeaders and Signature.');
  }
  return { Credential, SignedHeaders, Signature };
}

/**
 * Reads ACCESS_KEY/yyyymmdd/REGION/s3/aws4_request, from its end: an access key may hold a slash.
 * @param code of the S3Error thrown
 */
export function readCredential(text: string, code: S3ErrorCode): { readonly accessKey: string; readonly scope: Scope } {
  const parts = text.split('/');
  const [day, region, service, terminal] = parts.slice(-4);
  const accessKey = parts.slice(0, -4).join('/');
  if (accessKey === '' || day === undefined || region === undefined) {
    malformed(code, 'The Credential must be of the form "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".');
  }
  if (parseAmzDate(`${day}T000000Z`) === undefined) malformed(code, 'The Credential has no date of the form yyyyMMdd.');
  if (!/^[A-Za-z0-9_.-]{1,128}$/.test(region)) malformed(code, 'The Credential has no region.');
  if (service !== 's3') malformed(code, 'The Credential is for another service. This endpoint belongs to "s3".');
  if (terminal !== 'aws4_request') malformed(code, 'The Credential must end in "aws4_request".');
  return { accessKey, scope: { day, region } };
}

function readSignedHeaders(text: string, code: S3ErrorCode): readonly string[] {
  const names = text.split(';');
  if (names.length > MAX_SIGNED_HEADERS) malformed(code, 'SignedHeaders names too many headers.');
  for (const [index, name] of names.entries()) {
    const earlier = names[index - 1];
    if (!HEADER_NAME.test(name) || (earlier !== undefined && earlier >= name)) {
      malformed(code, 'SignedHeaders must be lower case, sorted and without repetition.');
    }
  }
  return names;
}

/** `x-amz-date` counts, `Date` only where there is none. */
function headerTime(headers: Headers): Date {
  const amzDate = headers.get('x-amz-date');
  const time = amzDate === undefined ? parseHeaderDate(headers.get('date') ?? '') : parseAmzDate(amzDate);
  if (time === undefined) {
    throw new S3Error('AccessDenied', { message: 'AWS authentication requires a valid Date or x-amz-date header' });
  }
  return time;
}

function checkDay(scope: Scope, timestamp: string, code: S3ErrorCode): void {
  if (!timestamp.startsWith(scope.day)) malformed(code, 'The date of the Credential is not that of the request.');
}

function onlyValue(query: Query, name: string): string {
  const values = query.parameters.filter((parameter) => parameter.name.toLowerCase() === name.toLowerCase());
  const [first] = values;
  if (first === undefined || values.length > 1 || first.name !== name || first.value === '') {
    malformed(
      'AuthorizationQueryParametersError',
      `Query-string authentication version 4 requires the ${V4_PARAMETERS.join(', ')} parameters, each once.`,
    );
  }
  return first.value;
}

function malformed(code: S3ErrorCode, message: string): never {
  throw new S3Error(code, { message });
}
