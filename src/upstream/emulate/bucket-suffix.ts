import { formatCopySource, parseCopySource } from '../../s3/copy-source.ts';
import type { Layer, S3Request, S3Response } from '../../s3/message.ts';
import { textOf, withText } from './ask.ts';

const COPY_SOURCE = 'x-amz-copy-source';

/** Where the answers name a bucket: the elements around its name. */
const NAMES = /<((?:[\w.-]+:)?(?:Name|Bucket))>([^<]*)</g;
const NAMED: ReadonlySet<string> = new Set([
  'CompleteMultipartUpload',
  'CreateMultipartUpload',
  'ListBuckets',
  'ListMultipartUploads',
  'ListObjectVersions',
  'ListObjects',
  'ListObjectsV2',
  'ListParts',
]);

/**
 * Puts what the service demands behind every bucket name, in the address and in copy sources, and takes it off again
 * wherever an answer names a bucket.
 */
export function bucketSuffix(suffix: string): Layer {
  return (next) => async (request) => {
    const response = await next(withSuffix(request, suffix));
    return NAMED.has(request.operation) ? withoutSuffix(response, suffix) : withoutLocation(response);
  };
}

function withSuffix(request: S3Request, suffix: string): S3Request {
  const bucket = request.bucket === undefined ? undefined : `${request.bucket}${suffix}`;
  if (!request.headers.has(COPY_SOURCE)) return { ...request, bucket };
  const source = parseCopySource(request.headers);
  const named = formatCopySource({ ...source, bucket: `${source.bucket}${suffix}` });
  return { ...request, bucket, headers: new Map(request.headers).set(COPY_SOURCE, named) };
}

async function withoutSuffix(response: S3Response, suffix: string): Promise<S3Response> {
  const text = await textOf(response);
  const named = text
    .replace(NAMES, (whole, element: string, name: string) =>
      name.endsWith(suffix) ? `<${element}>${name.slice(0, -suffix.length)}<` : whole,
    )
    // It names a host as well; what the client is to see is written where its own address is known.
    .replace(/<Location>[^<]*<\/Location>/, '<Location></Location>');
  return withText(response, named);
}

function withoutLocation(response: S3Response): S3Response {
  if (!response.headers.has('location')) return response;
  const headers = new Map(response.headers);
  headers.delete('location');
  return { ...response, headers };
}
