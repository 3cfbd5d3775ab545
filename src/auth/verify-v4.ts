import { S3Error } from '../s3/error.ts';
import type { S3Request } from '../s3/message.ts';
import type { ChunkSeed } from './chunk-signature.ts';
import { checkSkew, MAX_SKEW_SECONDS } from './clock.ts';
import { checkCoverage } from './coverage.ts';
import { type Credential, UNKNOWN_CREDENTIAL } from './credentials.ts';
import { signedHosts } from './hosts.ts';
import { type PayloadMode, parsePayloadMode } from './payload-plan.ts';
import {
  canonicalise,
  canonicalPaths,
  canonicalRequest,
  credentialScope,
  isSignature,
  sign,
  stringToSign,
} from './sigv4.ts';
import { parseV4Header, parseV4Query, type V4Claim } from './sigv4-claim.ts';
import { expired, hasSecurityToken, type Verifier, wrongSignature } from './verifier.ts';

/** What an accepted V4 signature vouches for. */
export interface V4Acceptance {
  readonly credential: Credential;
  readonly mode: PayloadMode;
  /** What the chunks of the body are signed with, if they are. */
  readonly seed: ChunkSeed;
}

/**
 * Checks a V4 signature, in the Authorization header or in the query.
 * @throws S3Error as facts of AWS: syntax first, then key, time, coverage and signature
 */
export function verifyV4(request: S3Request, place: 'header' | 'query', verifier: Verifier): V4Acceptance {
  const claim = place === 'header' ? parseV4Header(request.headers) : parseV4Query(request.query);
  const payload = place === 'header' ? headerPayload(request) : queryPayload(request, claim);
  const mode = parsePayloadMode(payload);
  if (place === 'query' && mode.kind === 'chunked') {
    throw new S3Error('InvalidRequest', { message: 'aws-chunked uploads cannot be presigned.' });
  }
  const credential = verifier.find(claim.accessKey, 'v4', hasSecurityToken(request));
  if (credential !== undefined) {
    checkTime(claim, verifier.now());
    checkCoverage(request.headers, claim.signedHeaders, payload);
  }
  const key = verifier.keys.v4(credential ?? UNKNOWN_CREDENTIAL, claim.scope);
  const { canonical, text, isAccepted } = compare(request, claim, payload, (string) => sign(key, string), verifier);
  if (credential === undefined)
    throw new S3Error('InvalidAccessKeyId', { detail: { AWSAccessKeyId: claim.accessKey } });
  if (!isAccepted) throw wrongSignature(claim.accessKey, { StringToSign: text, CanonicalRequest: canonical });
  const { timestamp, signature } = claim;
  return { credential, mode, seed: { key, timestamp, scope: credentialScope(claim), signature } };
}

interface Comparison {
  readonly isAccepted: boolean;
  /** The first reading, which is what nearly every client signs. */
  readonly canonical: string;
  readonly text: string;
}

/** Holds the signature against each reading of host and path, the usual one first. */
function compare(
  request: S3Request,
  claim: V4Claim,
  payload: string,
  signText: (text: string) => string,
  verifier: Verifier,
): Comparison {
  const parts = canonicalise(request, claim, payload);
  const paths = canonicalPaths(request.rawPath);
  const read = (host: string, path: string): Comparison => {
    const canonical = canonicalRequest(parts, host, path);
    const text = stringToSign(claim, canonical);
    return { canonical, text, isAccepted: isSignature(signText(text), claim.signature) };
  };
  const usual = read(request.headers.get('host') ?? '', paths[0] ?? request.rawPath);
  if (usual.isAccepted) return usual;
  for (const host of signedHosts(request, verifier.domains)) {
    for (const path of paths) {
      const other = read(host, path);
      if (other.isAccepted) return other;
    }
  }
  return usual;
}

function headerPayload(request: S3Request): string {
  const value = request.headers.get('x-amz-content-sha256');
  if (value !== undefined) return value;
  throw new S3Error('InvalidRequest', { message: 'Missing required header for this request: x-amz-content-sha256' });
}

/** A URL covers the payload only when it says so itself, in a parameter or a header that it signs. */
function queryPayload(request: S3Request, claim: V4Claim): string {
  const values = request.query.parameters.filter(({ name }) => name.toLowerCase() === 'x-amz-content-sha256');
  if (values.length > 1) throw new S3Error('AuthorizationQueryParametersError');
  const isSigned = claim.signedHeaders.includes('x-amz-content-sha256');
  return values[0]?.value ?? (isSigned ? request.headers.get('x-amz-content-sha256') : undefined) ?? 'UNSIGNED-PAYLOAD';
}

function checkTime(claim: V4Claim, now: Date): void {
  if (claim.expires === undefined) {
    checkSkew(claim.time, now);
    return;
  }
  const end = claim.time.getTime() + claim.expires * 1000;
  if (now.getTime() >= end) throw expired(new Date(end), now);
  if (claim.time.getTime() - now.getTime() > MAX_SKEW_SECONDS * 1000) {
    throw new S3Error('AccessDenied', { message: 'Request is not valid yet' });
  }
}
