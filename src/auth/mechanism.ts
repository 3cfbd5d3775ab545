import { S3Error } from '../s3/error.ts';
import type { S3Request } from '../s3/message.ts';
import type { Query } from '../s3/query.ts';

/** The one way in which a request says who sent it. */
export type Mechanism = 'v4-header' | 'v4-query' | 'v2-header' | 'v2-query' | 'anonymous';

/** The parameters of a V4 presigned URL that must all stand there, once. */
export const V4_PARAMETERS = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-SignedHeaders',
  'X-Amz-Signature',
] as const;

/** The parameters of a V2 presigned URL. */
export const V2_PARAMETERS = ['AWSAccessKeyId', 'Expires', 'Signature'] as const;

/** Any of these means that a presigned URL was meant, in whatever case: one in a wrong case must not be overlooked. */
const V4_MARKS: ReadonlySet<string> = new Set(V4_PARAMETERS.map((name) => name.toLowerCase()));
const V2_MARKS: ReadonlySet<string> = new Set(['awsaccesskeyid', 'signature']);

/**
 * Chooses the mechanism. A scheme of somebody else (Basic, Bearer) is overlooked beside a presigned URL, since
 * browsers and proxies add one to any URL.
 * @throws S3Error InvalidArgument for two at once or a scheme we do not know, NotImplemented for SigV4a
 */
export function chooseMechanism(request: Pick<S3Request, 'headers' | 'query'>): Mechanism {
  const header = headerMechanism(request.headers.get('authorization'));
  const [isV4Query, isV2Query] = queryMechanisms(request.query);
  if ((isV4Query && isV2Query) || ((isV4Query || isV2Query) && isAmazon(header))) {
    throw new S3Error('InvalidArgument', { message: 'Only one auth mechanism allowed.' });
  }
  if (isV4Query) return 'v4-query';
  if (isV2Query) return 'v2-query';
  if (header === undefined) return 'anonymous';
  if (header === 'v4a') throw new S3Error('NotImplemented', { message: 'AWS4-ECDSA-P256-SHA256 is not supported.' });
  if (header === 'other') throw new S3Error('InvalidArgument', { message: 'Unsupported Authorization Type.' });
  return header;
}

type HeaderScheme = 'v4-header' | 'v2-header' | 'v4a' | 'other' | undefined;

function headerMechanism(authorization: string | undefined): HeaderScheme {
  if (authorization === undefined) return undefined;
  const scheme = /^\S*/.exec(authorization)?.[0] ?? '';
  if (scheme === 'AWS4-HMAC-SHA256') return 'v4-header';
  if (scheme === 'AWS') return 'v2-header';
  return scheme.startsWith('AWS4-ECDSA') ? 'v4a' : 'other';
}

function isAmazon(scheme: HeaderScheme): boolean {
  return scheme !== undefined && scheme !== 'other';
}

function queryMechanisms(query: Query): readonly [v4: boolean, v2: boolean] {
  let isV4 = false;
  let isV2 = false;
  for (const { name } of query.parameters) {
    const lower = name.toLowerCase();
    isV4 ||= V4_MARKS.has(lower);
    isV2 ||= V2_MARKS.has(lower);
  }
  return [isV4, isV2];
}
