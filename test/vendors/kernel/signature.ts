/**
 * Who signed, by the pages "Authenticating Requests (AWS Signature Version 4)" and "Signing and authenticating REST
 * requests (Version 2)" of the Amazon S3 API reference. Shares nothing with `src`.
 */
import { createHmac } from 'node:crypto';
import { canonicalRequest, signingKey, v2Signature, v2StringToSign, v4Signature } from '../../support/slow-verifier.ts';
import { type Asked, parameter, VendorError } from './message.ts';

/** What a signature fixed about the rest of the request. */
export interface Signed {
  readonly version: 'v4' | 'v2';
  /** The payload line of V4; UNSIGNED-PAYLOAD for V2. */
  readonly payload: string;
  readonly signedHeaders: readonly string[];
  readonly region: string | undefined;
  /** How the chunks of the body are signed. */
  readonly chunks:
    | { readonly key: Buffer; readonly scope: string; readonly timestamp: string; readonly seed: string }
    | undefined;
}

export interface KeyPair {
  readonly accessKey: string;
  readonly secretKey: string;
}

const SKEW = 900_000;

/**
 * Checks the one signature of a request.
 * @throws VendorError AccessDenied, InvalidAccessKeyId, SignatureDoesNotMatch, RequestTimeTooSkewed
 */
export function checkSignature(asked: Asked, key: KeyPair, now: Date): Signed {
  const authorization = asked.headers.authorization ?? '';
  if (authorization.startsWith('AWS4-HMAC-SHA256')) return v4Header(asked, authorization, key, now);
  if (authorization.startsWith('AWS ')) return v2Header(asked, authorization, key, now);
  if (parameter(asked, 'X-Amz-Signature') !== undefined) return v4Query(asked, key, now);
  if (parameter(asked, 'Signature') !== undefined) return v2Query(asked, key, now);
  throw new VendorError(403, 'AccessDenied', 'Access Denied.');
}

function mismatch(accessKey: string, stringToSign: string, provided: string): VendorError {
  return new VendorError(
    403,
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    { AWSAccessKeyId: accessKey, StringToSign: stringToSign, SignatureProvided: provided },
  );
}

function known(accessKey: string, key: KeyPair): void {
  if (accessKey !== key.accessKey)
    throw new VendorError(403, 'InvalidAccessKeyId', 'The access key id you provided does not exist in our records.', {
      AWSAccessKeyId: accessKey,
    });
}

function instant(timestamp: string): number {
  return Date.parse(timestamp.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
}

function inTime(time: number, now: Date): void {
  if (Number.isNaN(time))
    throw new VendorError(403, 'AccessDenied', 'AWS authentication requires a valid Date header.');
  if (Math.abs(time - now.getTime()) > SKEW)
    throw new VendorError(
      403,
      'RequestTimeTooSkewed',
      'The difference between the request time and the server time is too large.',
      {
        RequestTime: new Date(time).toISOString(),
        ServerTime: now.toISOString(),
      },
    );
}

interface V4Parts {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
  readonly timestamp: string;
  readonly payload: string;
}

function v4(asked: Asked, parts: V4Parts, key: KeyPair): Signed {
  const match = /^(.+)\/(\d{8})\/([^/]*)\/s3\/aws4_request$/.exec(parts.credential);
  if (match === null)
    throw new VendorError(
      400,
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; the Credential is mal-formed.',
    );
  const [, accessKey = '', day = '', region = ''] = match;
  known(accessKey, key);
  const { timestamp, payload } = parts;
  const signed = parts.signedHeaders.split(';');
  const unsigned = Object.keys(asked.headers).filter(
    (name) =>
      (name === 'host' || (name.startsWith('x-amz-') && name !== 'x-amz-content-sha256')) && !signed.includes(name),
  );
  if (unsigned.length > 0)
    throw new VendorError(403, 'AccessDenied', 'There were headers present in the request which were not signed', {
      HeadersNotSigned: unsigned.join(', '),
    });
  const seed = v4Signature(asked, { secretKey: key.secretKey, timestamp, day, region, signed, payload });
  if (seed !== parts.signature) throw mismatch(accessKey, canonicalRequest(asked, signed, payload), parts.signature);
  const chunks = {
    key: signingKey(key.secretKey, day, region),
    scope: `${day}/${region}/s3/aws4_request`,
    timestamp,
    seed,
  };
  return { version: 'v4', payload, signedHeaders: signed, region, chunks };
}

function v4Header(asked: Asked, authorization: string, key: KeyPair, now: Date): Signed {
  const match = /^AWS4-HMAC-SHA256 +Credential=([^,]+?) *, *SignedHeaders=([^,]+?) *, *Signature=([0-9a-f]{64})$/.exec(
    authorization,
  );
  if (match === null)
    throw new VendorError(400, 'AuthorizationHeaderMalformed', 'The authorization header is malformed.');
  const [, credential = '', signedHeaders = '', signature = ''] = match;
  const payload = asked.headers['x-amz-content-sha256'];
  if (payload === undefined)
    throw new VendorError(400, 'InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  const timestamp = asked.headers['x-amz-date'] ?? '';
  inTime(instant(timestamp), now);
  return v4(asked, { credential, signedHeaders, signature, timestamp, payload }, key);
}

function v4Query(asked: Asked, key: KeyPair, now: Date): Signed {
  const value = (name: string): string => parameter(asked, name) ?? '';
  const timestamp = value('X-Amz-Date');
  const expires = Number(value('X-Amz-Expires'));
  const start = instant(timestamp);
  if (!(expires >= 0 && expires <= 604_800) || !(now.getTime() < start + expires * 1000))
    throw new VendorError(403, 'AccessDenied', 'Request has expired');
  const payload = asked.headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD';
  return v4(
    asked,
    {
      credential: value('X-Amz-Credential'),
      signedHeaders: value('X-Amz-SignedHeaders'),
      signature: value('X-Amz-Signature'),
      timestamp,
      payload,
    },
    key,
  );
}

/** V2 signs `/BUCKET/KEY` for both styles; `v2StringToSign` takes the resource from the target. */
function v2Target(asked: Asked): Asked {
  return asked.addressing === 'path' ? asked : { ...asked, target: `/${asked.bucket}${asked.target}` };
}

const V2_SIGNED: Omit<Signed, 'signedHeaders'> = {
  version: 'v2',
  payload: 'UNSIGNED-PAYLOAD',
  region: undefined,
  chunks: undefined,
};

function v2Header(asked: Asked, authorization: string, key: KeyPair, now: Date): Signed {
  const [, accessKey = '', provided = ''] = /^AWS ([^:]+):(.+)$/.exec(authorization) ?? [];
  known(accessKey, key);
  const { 'x-amz-date': amzDate, date = '' } = asked.headers;
  inTime(Date.parse(amzDate ?? date) || instant(amzDate ?? ''), now);
  const text = v2StringToSign(v2Target(asked), amzDate === undefined ? date : '');
  if (v2Signature(key.secretKey, text) !== provided) throw mismatch(accessKey, text, provided);
  return { ...V2_SIGNED, signedHeaders: [] };
}

function v2Query(asked: Asked, key: KeyPair, now: Date): Signed {
  const accessKey = parameter(asked, 'AWSAccessKeyId') ?? parameter(asked, 'GoogleAccessId') ?? '';
  const provided = parameter(asked, 'Signature') ?? '';
  known(accessKey, key);
  const expires = parameter(asked, 'Expires') ?? '';
  if (!(now.getTime() < Number(expires) * 1000)) throw new VendorError(403, 'AccessDenied', 'Request has expired');
  const text = v2StringToSign(v2Target(asked), expires);
  if (v2Signature(key.secretKey, text) !== provided) throw mismatch(accessKey, text, provided);
  return { ...V2_SIGNED, signedHeaders: [] };
}

/** The signature of one chunk, or of the trailer, given the one before. */
export function nextSignature(
  chunks: NonNullable<Signed['chunks']>,
  previous: string,
  { kind, hashes }: { readonly kind: 'PAYLOAD' | 'TRAILER'; readonly hashes: readonly string[] },
): string {
  const text = [`AWS4-HMAC-SHA256-${kind}`, chunks.timestamp, chunks.scope, previous, ...hashes].join('\n');
  return createHmac('sha256', chunks.key).update(text).digest('hex');
}
