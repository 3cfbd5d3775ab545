import { PRIVATE_ACL } from '../../s3/acl.ts';
import { dropBody } from '../../s3/body.ts';
import { CHECKSUM_ALGORITHMS, checksumHeader } from '../../s3/checksum.ts';
import { unquoteEtag } from '../../s3/etag.ts';
import type { Headers } from '../../s3/headers.ts';
import type { Layer, S3Request, S3Response } from '../../s3/message.ts';
import { buildXml, type XmlNode } from '../../s3/xml.ts';
import type { Dialect, StandIn } from '../dialect.ts';
import { ACCESS_HEADERS, ask, isUnsupported, noteEmulation, pick, withText } from './ask.ts';
import { keptChecksum } from './kept.ts';

const NO_TAGS = buildXml(['Tagging', [['TagSet', []]]]);

/** What S3 says of a plain bucket or object, made of the answer to HEAD. */
const ANSWERS: Readonly<Record<StandIn, (head: Headers, request: S3Request) => string>> = {
  GetBucketLocation: () => buildXml(['LocationConstraint', '']),
  GetBucketVersioning: () => buildXml(['VersioningConfiguration', []]),
  GetBucketAcl: () => PRIVATE_ACL,
  GetBucketTagging: () => NO_TAGS,
  GetObjectAcl: () => PRIVATE_ACL,
  GetObjectTagging: () => NO_TAGS,
  GetObjectAttributes: attributes,
};

/**
 * Answers questions that clients ask of every bucket, and some of which end a program when they fail, where the
 * service has no answer: as S3 would for a bucket or object without such settings (facts R19, R20). A service that says
 * by itself that it does not know the question is not taken at its word either.
 */
export function standIns({ missing }: Pick<Dialect, 'missing'>): Layer {
  const isMissing: ReadonlySet<string> = new Set(missing);
  return (next) => async (request) => {
    const { operation } = request;
    if (!isStandIn(operation)) return next(request);
    if (!isMissing.has(operation)) {
      try {
        return await next(request);
      } catch (error) {
        if (!isUnsupported(error)) throw error;
      }
    }
    noteEmulation(request, 'stand-in');
    const head = await next(headOf(request));
    dropBody(head.body);
    const answer = withText({ status: 200, headers: new Map(), body: null }, ANSWERS[operation](head.headers, request));
    return withObjectHeaders(answer, head);
  };
}

function isStandIn(operation: string): operation is StandIn {
  return Object.hasOwn(ANSWERS, operation);
}

/** Whoever asks of what is not there, or not for him, hears that first. */
function headOf(request: S3Request): S3Request {
  const { key, query, headers } = request;
  return ask(request, {
    operation: key === undefined ? 'HeadBucket' : 'HeadObject',
    query: key === undefined ? {} : { versionId: query.get('versionId') },
    headers: pick(headers, ACCESS_HEADERS).set('x-amz-checksum-mode', 'ENABLED'),
  });
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html */
function attributes(head: Headers, request: S3Request): string {
  const asked = new Set((request.headers.get('x-amz-object-attributes') ?? '').split(',').map((name) => name.trim()));
  const etag = head.get('etag');
  const size = head.get('content-length');
  const kept = keptChecksum(head);
  const checksums = CHECKSUM_ALGORITHMS.flatMap((algorithm): XmlNode[] => {
    const value = kept?.algorithm === algorithm ? kept.value : head.get(checksumHeader(algorithm));
    return value === undefined ? [] : [[`Checksum${algorithm}`, value]];
  });
  return buildXml([
    'GetObjectAttributesResponse',
    [
      // Without quotes, as S3 writes it here and nowhere else.
      ['ETag', asked.has('ETag') && etag !== undefined ? unquoteEtag(etag) : undefined],
      ['Checksum', asked.has('Checksum') && checksums.length > 0 ? checksums : undefined],
      ['StorageClass', asked.has('StorageClass') ? (head.get('x-amz-storage-class') ?? 'STANDARD') : undefined],
      ['ObjectSize', asked.has('ObjectSize') ? size : undefined],
    ],
  ]);
}

function withObjectHeaders(answer: S3Response, head: S3Response): S3Response {
  const kept = pick(head.headers, /^(last-modified|x-amz-(version-id|delete-marker))$/);
  return { ...answer, headers: new Map([...kept, ...answer.headers]) };
}
