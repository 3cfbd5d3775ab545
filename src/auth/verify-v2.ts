import { S3Error } from '../s3/error.ts';
import type { S3Request } from '../s3/message.ts';
import { type OperationName, resolveOperation } from '../s3/operation.ts';
import { movedHeaders, withoutQuerySignature } from './accepted.ts';
import { checkSkew, parseHeaderDate } from './clock.ts';
import { type Credential, UNKNOWN_CREDENTIAL } from './credentials.ts';
import { V2_PARAMETERS } from './mechanism.ts';
import { type PayloadMode, parsePayloadMode } from './payload-plan.ts';
import { isV2Signature, signV2, V2_SIGNED_PARAMETERS, v2StringsToSign } from './sigv2.ts';
import { expired, hasSecurityToken, type Verifier, wrongSignature } from './verifier.ts';

/** What an accepted V2 signature vouches for: never the body, but by a hash among the headers. */
export interface V2Acceptance {
  readonly credential: Credential;
  readonly mode: PayloadMode;
  readonly request: S3Request;
}

interface V2Claim {
  readonly accessKey: string;
  readonly signature: string;
  /** The Date slot of the string to sign. */
  readonly date: string;
  readonly checkTime: (now: Date) => void;
  /** The request as signed: with the headers that a presigner moved into the query. */
  readonly request: S3Request;
}

/**
 * Checks a V2 signature, in the Authorization header or in the query.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
 *
 * It covers neither the host nor most of the query, so a parameter that is not covered may not choose the
 * operation: an upload's URL must not become one that sets a retention.
 * @throws S3Error
 */
export function verifyV2(received: S3Request, place: 'header' | 'query', verifier: Verifier): V2Acceptance {
  const claim = place === 'header' ? headerClaim(received) : queryClaim(received);
  const { accessKey, signature, request } = claim;
  const mode = v2PayloadMode(request);
  const credential = verifier.find(accessKey, 'v2', hasSecurityToken(received));
  if (credential !== undefined) claim.checkTime(verifier.now());
  const key = verifier.keys.v2(credential ?? UNKNOWN_CREDENTIAL);
  const texts = v2StringsToSign(request, claim.date);
  const isAccepted = texts.some((text) => isV2Signature(signV2(key, text), signature));
  if (credential === undefined) throw new S3Error('InvalidAccessKeyId', { detail: { AWSAccessKeyId: accessKey } });
  if (!isAccepted) throw wrongSignature(accessKey, { StringToSign: texts[0] ?? '' });
  checkOperation(request);
  return { credential, mode, request };
}

/** `AWS ACCESS_KEY:SIGNATURE`. An access key may hold a colon, base64 does not. */
function headerClaim(request: S3Request): V2Claim {
  const match = /^AWS +(\S+):([^\s:]+)$/.exec(request.headers.get('authorization') ?? '');
  const [, accessKey, signature] = match ?? [];
  if (accessKey === undefined || signature === undefined) {
    throw new S3Error('InvalidArgument', {
      message: 'AWS authorization header is invalid. Expected AwsAccessKeyId:signature',
    });
  }
  const amzDate = request.headers.get('x-amz-date');
  const date = request.headers.get('date');
  const time = parseHeaderDate(amzDate ?? date ?? '');
  if (time === undefined || time.getTime() < 0) {
    throw new S3Error('AccessDenied', { message: 'AWS authentication requires a valid Date or x-amz-date header' });
  }
  return {
    accessKey,
    signature,
    date: amzDate === undefined ? (date ?? '') : '',
    checkTime: (now) => checkSkew(time, now),
    request,
  };
}

function queryClaim(request: S3Request): V2Claim {
  const [accessKey, expires, signature] = V2_PARAMETERS.map((name) => onlyValue(request, name)) as [
    string,
    string,
    string,
  ]; // One for each name of the tuple.
  if (!/^\d{1,12}$/.test(expires)) {
    throw new S3Error('AccessDenied', { message: 'Invalid date (should be seconds since epoch): Expires' });
  }
  const headers = new Map([...movedHeaders(request, 'v2'), ...request.headers]);
  return {
    accessKey,
    signature,
    date: expires,
    checkTime: (now) => {
      const end = new Date(Number(expires) * 1000);
      if (now.getTime() >= end.getTime()) throw expired(end, now);
    },
    request: { ...withoutQuerySignature(request, 'v2'), headers },
  };
}

function onlyValue(request: S3Request, name: string): string {
  const values = request.query.parameters.filter((parameter) => parameter.name.toLowerCase() === name.toLowerCase());
  const [first] = values;
  if (first === undefined || values.length > 1 || first.name !== name || first.value === '') {
    throw new S3Error('AccessDenied', {
      message: 'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters, each once.',
    });
  }
  return first.value;
}

/** @throws S3Error InvalidRequest for aws-chunked: its chunks would be signed with V4 keys */
function v2PayloadMode(request: S3Request): PayloadMode {
  const mode = parsePayloadMode(request.headers.get('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD');
  if (mode.kind === 'chunked') {
    throw new S3Error('InvalidRequest', { message: 'aws-chunked uploads need a signature of version 4.' });
  }
  return mode;
}

/** Both list the same keys of the same bucket, and V2 clients (botocore) list with `list-type`, which V2 cannot sign. */
const SAME_LISTING: ReadonlySet<OperationName> = new Set(['ListObjects', 'ListObjectsV2']);

/** @throws S3Error AccessDenied when something that is not signed makes it another operation */
function checkOperation(request: S3Request): void {
  const query = request.query.without((name) => !V2_SIGNED_PARAMETERS.has(name));
  const signed = resolveOperation({ ...request, query });
  const asked = resolveOperation(request);
  if (signed === asked || (SAME_LISTING.has(signed) && SAME_LISTING.has(asked))) return;
  throw new S3Error('AccessDenied', {
    message: 'The query chooses an operation by a parameter that a signature of version 2 does not cover.',
  });
}
