import { S3Error } from '../s3/error.ts';
import type { S3Request } from '../s3/message.ts';
import type { Credential, CredentialLookup, SignatureVersion, SigningKeys } from './credentials.ts';

/** What both signature versions are checked with. */
export interface Verifier {
  readonly keys: SigningKeys;
  readonly domains: readonly string[];
  readonly now: () => Date;
  /**
   * The credential of an access key, if it may use this version. Undefined when nobody has the key: the caller
   * then goes on with a key of nobody and refuses after, so that timing does not tell.
   * @throws S3Error InvalidRequest for a version that is not its own, InvalidToken for a session token
   */
  readonly find: (accessKey: string, version: SignatureVersion, hasToken: boolean) => Credential | undefined;
}

const NOT_ALLOWED: Readonly<Record<SignatureVersion, string>> = {
  v2: 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  v4: 'The authorization mechanism you have provided is not supported for this credential.',
};

/** Looks credentials up with the rules that hold for any signature. An empty secret is nobody's: anyone has it. */
export function credentialFinder(credentials: CredentialLookup): Verifier['find'] {
  return (accessKey, version, hasToken) => {
    const credential = credentials(accessKey);
    if (credential === undefined || credential.secretKey === '') return undefined;
    if (!credential.signatures.includes(version)) {
      throw new S3Error('InvalidRequest', { message: NOT_ALLOWED[version] });
    }
    // Local credentials are static: a token belongs to some other service's.
    if (hasToken) throw new S3Error('InvalidToken');
    return credential;
  };
}

/** Whether a session token came along, in whatever place. */
export function hasSecurityToken(request: Pick<S3Request, 'headers' | 'query'>): boolean {
  const name = 'x-amz-security-token';
  return (
    request.headers.has(name) || request.query.parameters.some((parameter) => parameter.name.toLowerCase() === name)
  );
}

/** The answer to a wrong signature: what we hashed, which the client can see anyway, and never what we expected. */
export function wrongSignature(accessKey: string, hashed: Readonly<Record<string, string>>): S3Error {
  return new S3Error('SignatureDoesNotMatch', { detail: { AWSAccessKeyId: accessKey, ...hashed } });
}

export function expired(end: Date, now: Date): S3Error {
  return new S3Error('AccessDenied', {
    message: 'Request has expired',
    detail: { Expires: end.toISOString(), ServerTime: now.toISOString() },
  });
}
