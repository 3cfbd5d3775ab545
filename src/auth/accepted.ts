import { checksumOfHeader } from '../s3/checksum.ts';
import { S3Error } from '../s3/error.ts';
import { encodeHeaderText, type Headers } from '../s3/headers.ts';
import type { S3Request } from '../s3/message.ts';
import { resolveOperation } from '../s3/operation.ts';
import type { PayloadPlan } from './payload-plan.ts';

/** Headers that end here: they spoke of the signature, or of how this connection carries the body. */
const ENDS_HERE: ReadonlySet<string> = new Set([
  'authorization',
  'expect',
  'transfer-encoding',
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-decoded-content-length',
  'x-amz-security-token',
  'x-amz-trailer',
]);

/** Presigned parameters that end here, in lower case. */
const V4_END_HERE: ReadonlySet<string> = new Set([
  ...ENDS_HERE,
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-expires',
  'x-amz-signature',
  'x-amz-signedheaders',
  'x-amz-sdk-checksum-algorithm',
]);
const PARAMETERS_END_HERE: Readonly<Record<'v4' | 'v2', ReadonlySet<string>>> = {
  v4: V4_END_HERE,
  v2: new Set([...V4_END_HERE, 'awsaccesskeyid', 'signature', 'expires']),
};

/** V2 presigners (botocore) move these into the query too. */
const V2_MOVED: ReadonlySet<string> = new Set(['content-md5', 'content-type']);

/**
 * The request whose presigned parameters have been taken out. Parameters that are headers moved into the query by
 * the signer (`x-amz-acl`, `x-amz-meta-...`) become headers again, and the operation is chosen anew by them.
 *
 * SDKs put the checksum of an empty body into presigned PUT URLs; it is nobody's checksum and is dropped.
 * @throws S3Error InvalidArgument when one came both ways, or cannot be a header
 */
export function withoutQuerySignature(request: S3Request, version: 'v4' | 'v2'): S3Request {
  const headers = new Map(request.headers);
  for (const [name, value] of movedHeaders(request, version)) {
    if ((request.headers.get(name) ?? value) !== value) throw notAHeader(name, 'is given twice');
    headers.set(name, value);
  }
  const query = request.query.without((name) => {
    const lower = name.toLowerCase();
    return PARAMETERS_END_HERE[version].has(lower) || isMovedHeader(lower, version);
  });
  return { ...request, headers, query, operation: resolveOperation({ ...request, headers, query }) };
}

/** The headers that the signer of a URL moved into its query. */
export function movedHeaders(request: Pick<S3Request, 'query'>, version: 'v4' | 'v2'): Headers {
  const headers = new Map<string, string>();
  for (const { name, value } of request.query.parameters) {
    const lower = name.toLowerCase();
    if (!isMovedHeader(lower, version) || PARAMETERS_END_HERE[version].has(lower)) continue;
    if (checksumOfHeader(lower) !== undefined && version === 'v4') continue;
    if (headers.has(lower)) throw notAHeader(lower, 'is given twice');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a header must not hold
    if (/[\0-\x08\x0a-\x1f\x7f]/.test(value) || !/^[a-z0-9._-]+$/.test(lower)) throw notAHeader(lower, 'is not valid');
    headers.set(lower, encodeHeaderText(value).trim());
  }
  return headers;
}

function isMovedHeader(lower: string, version: 'v4' | 'v2'): boolean {
  return lower.startsWith('x-amz-') || (version === 'v2' && V2_MOVED.has(lower));
}

/**
 * The headers that go on: without the signature, the upload framing and the handshake. A hash of the payload
 * stays, since the body is held against it.
 */
export function acceptedHeaders(headers: Headers, plan: PayloadPlan): Headers {
  const kept = new Map<string, string>();
  for (const [name, value] of headers) if (!ENDS_HERE.has(name)) kept.set(name, value);
  if (plan.mode.kind === 'hash') kept.set('x-amz-content-sha256', plan.mode.sha256);
  if (plan.mode.kind === 'chunked') kept.set('content-length', String(plan.length ?? 0));
  const encoding = headers.get('content-encoding');
  if (encoding !== undefined) {
    const rest = encoding.split(',').filter((token) => token.trim().toLowerCase() !== 'aws-chunked');
    if (rest.length < encoding.split(',').length) {
      kept.delete('content-encoding');
      const remaining = rest.join(',').trim();
      if (remaining !== '') kept.set('content-encoding', remaining);
    }
  }
  return kept;
}

function notAHeader(name: string, what: string): S3Error {
  return new S3Error('InvalidArgument', { message: `${name} ${what}.`, detail: { ArgumentName: name } });
}
