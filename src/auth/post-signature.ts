import { S3Error } from '../s3/error.ts';
import { MAX_SKEW_SECONDS, parseAmzDate } from './clock.ts';
import { type Credential, UNKNOWN_CREDENTIAL } from './credentials.ts';
import { isV2Signature, signV2 } from './sigv2.ts';
import { isSignature, sign } from './sigv4.ts';
import { readCredential } from './sigv4-claim.ts';
import type { Verifier } from './verifier.ts';

type Fields = ReadonlyMap<string, string>;

/** What a form signature stands on, before any of it is believed. */
interface FormClaim {
  readonly version: 'v4' | 'v2';
  readonly accessKey: string;
  readonly check: (credential: Credential, verifier: Verifier) => boolean;
}

/** A V4 signing key is good for a week. */
const MAX_AGE_MS = 7 * 24 * 3600_000;

/**
 * Checks the signature of a form, which covers the `policy` field as it stands there and nothing else.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html (V2: HTTPPOSTForms)
 * @returns the credential that signed
 * @throws S3Error AccessDenied for an unsigned form, InvalidArgument for an incomplete one,
 * InvalidAccessKeyId, SignatureDoesNotMatch
 */
export function verifyForm(fields: Fields, verifier: Verifier): Credential {
  const isV4 = V4_MARKS.some((name) => fields.has(name));
  const isV2 = V2_MARKS.some((name) => fields.has(name));
  if (isV4 && isV2) throw new S3Error('InvalidArgument', { message: 'Only one auth mechanism allowed.' });
  if (!isV4 && !isV2 && !fields.has('policy')) throw new S3Error('AccessDenied');
  const policy = required(fields, 'policy');
  const claim = isV4 ? claimV4(fields, policy) : claimV2(fields, policy);
  const credential = verifier.find(claim.accessKey, claim.version, fields.has('x-amz-security-token'));
  const isAccepted = claim.check(credential ?? UNKNOWN_CREDENTIAL, verifier);
  if (credential === undefined)
    throw new S3Error('InvalidAccessKeyId', { detail: { AWSAccessKeyId: claim.accessKey } });
  if (!isAccepted) throw new S3Error('SignatureDoesNotMatch', { detail: { AWSAccessKeyId: claim.accessKey } });
  return credential;
}

const V4_MARKS = ['x-amz-signature', 'x-amz-credential', 'x-amz-algorithm'] as const;
const V2_MARKS = ['signature', 'awsaccesskeyid'] as const;

function claimV4(fields: Fields, policy: string): FormClaim {
  if (required(fields, 'x-amz-algorithm') !== 'AWS4-HMAC-SHA256') {
    throw new S3Error('InvalidArgument', { message: 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256".' });
  }
  const { accessKey, scope } = readCredential(required(fields, 'x-amz-credential'), 'InvalidArgument');
  const timestamp = required(fields, 'x-amz-date');
  const time = parseAmzDate(timestamp);
  if (time === undefined || !timestamp.startsWith(scope.day)) {
    throw new S3Error('InvalidArgument', { message: 'X-Amz-Date is not a date, or not that of the credential.' });
  }
  const signature = required(fields, 'x-amz-signature');
  return {
    version: 'v4',
    accessKey,
    check(credential, { keys, now }) {
      const age = now().getTime() - time.getTime();
      const isAccepted = isSignature(sign(keys.v4(credential, scope), policy), signature);
      if (isAccepted && (age > MAX_AGE_MS || -age > MAX_SKEW_SECONDS * 1000)) {
        throw new S3Error('AccessDenied', { message: 'Invalid according to Policy: its date is out of range.' });
      }
      return isAccepted;
    },
  };
}

function claimV2(fields: Fields, policy: string): FormClaim {
  const signature = required(fields, 'signature');
  return {
    version: 'v2',
    accessKey: required(fields, 'awsaccesskeyid'),
    check: (credential, { keys }) => isV2Signature(signV2(keys.v2(credential), policy), signature),
  };
}

function required(fields: Fields, name: string): string {
  const value = fields.get(name);
  if (value !== undefined && value !== '') return value;
  throw new S3Error('InvalidArgument', {
    message: `Bucket POST must contain a field named '${name}'. If it is specified, please check the order of the fields.`,
    detail: { ArgumentName: name },
  });
}
