import { OWNER } from '../../s3/acl.ts';
import { readBody } from '../../s3/body.ts';
import { MAX_XML_BYTES, parseXml, type XmlNode } from '../../s3/xml.ts';
import { refuseUnsupported } from '../decode/attributes.ts';
import { parseCount } from '../decode/parameters.ts';
import { emptyAnswer, xmlAnswer, xmlDate } from '../encode/answer.ts';
import { bucketOf, type Operations } from '../operation.ts';

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html */
const MAX_BUCKETS = 10_000;

/** Buckets themselves. */
export const bucketOperations = {
  async ListBuckets({ query }, { store }) {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const limit = Math.min(parseCount('max-buckets', query.get('max-buckets'), MAX_BUCKETS), MAX_BUCKETS);
    const found = (await store.listBuckets()).filter(({ name }) => name.startsWith(prefix) && name > after);
    const page = found.slice(0, limit);
    const buckets = page.map(
      ({ name, created }): XmlNode => [
        'Bucket',
        [
          ['Name', name],
          ['CreationDate', xmlDate(created)],
        ],
      ],
    );
    return xmlAnswer([
      'ListAllMyBucketsResult',
      [
        ['Owner', OWNER],
        ['Buckets', buckets],
        ['Prefix', prefix === '' ? undefined : prefix],
        ['ContinuationToken', found.length > page.length ? page.at(-1)?.name : undefined],
      ],
    ]);
  },

  /** Any location is as good as another here. */
  async CreateBucket(request, { store }) {
    refuseUnsupported(request.headers);
    const bucket = bucketOf(request);
    const body = await readBody(request.body, MAX_XML_BYTES, 'MaxMessageLengthExceeded');
    if (body.byteLength > 0) parseXml(body, 'CreateBucketConfiguration');
    await store.createBucket(bucket);
    return emptyAnswer(200, { location: `/${bucket}` });
  },

  async HeadBucket(request, { store, region }) {
    await store.headBucket(bucketOf(request));
    return emptyAnswer(200, { 'x-amz-bucket-region': region });
  },

  async DeleteBucket(request, { store }) {
    await store.deleteBucket(bucketOf(request));
    return emptyAnswer(204);
  },

  /** us-east-1 is the one region that goes without a name. */
  async GetBucketLocation(request, { store, region }) {
    await store.headBucket(bucketOf(request));
    return xmlAnswer(['LocationConstraint', region === 'us-east-1' ? '' : region]);
  },
} satisfies Operations;
