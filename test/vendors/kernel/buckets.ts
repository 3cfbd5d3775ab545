import { refusal } from '../rules.ts';
import { type Context, receiveText } from './context.ts';
import { type Answer, VendorError } from './message.ts';
import { bucketOf } from './store.ts';
import { document, text } from './xml.ts';

/** CreateBucket. */
export async function createBucket(context: Context): Promise<Answer> {
  const { asked, row, buckets, now } = context;
  const name = asked.bucket ?? '';
  const body = await receiveText(context);
  if (!row.bucketNames.test(name))
    throw new VendorError(400, 'InvalidBucketName', 'The specified bucket is not valid.', { BucketName: name });
  const location = text(body, 'LocationConstraint') ?? '';
  if (row.locations !== undefined && !row.locations.includes(location))
    throw new VendorError(
      400,
      location === '' ? 'IllegalLocationConstraintException' : 'InvalidLocationConstraint',
      `The ${location || 'unspecified'} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    );
  if (buckets.has(name)) {
    if (row.ownBucket !== 'made') throw refusal(row.ownBucket);
  } else buckets.set(name, { created: now, objects: new Map(), uploads: new Map() });
  return { status: 200, headers: { location: `/${name}` } };
}

/** HeadBucket. */
export function headBucket({ asked, buckets, row }: Context): Answer {
  bucketOf(buckets, asked.bucket);
  return { status: 200, headers: { 'x-amz-bucket-region': row.region } };
}

/** DeleteBucket. */
export function deleteBucket({ asked, buckets }: Context): Answer {
  if (bucketOf(buckets, asked.bucket).objects.size > 0)
    throw new VendorError(409, 'BucketNotEmpty', 'The bucket you tried to delete is not empty');
  buckets.delete(asked.bucket ?? '');
  return { status: 204 };
}

/** GetBucketLocation. */
export function location({ asked, buckets, row }: Context): Answer {
  bucketOf(buckets, asked.bucket);
  const attribute = row.namespace === undefined ? '' : ` xmlns="${row.namespace}"`;
  const region = row.region === 'us-east-1' ? '' : row.region;
  return {
    status: 200,
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint${attribute}>${region}</LocationConstraint>`,
  };
}

/** GetBucketVersioning of a bucket that never had any. */
export function versioning({ asked, buckets, row }: Context): Answer {
  bucketOf(buckets, asked.bucket);
  return { status: 200, body: document('VersioningConfiguration', row.namespace, {}) };
}

/** What a bucket does not have unless somebody put it there: nobody can, here. */
export function unset(code: string): (context: Context) => Answer {
  return ({ asked, buckets }) => {
    bucketOf(buckets, asked.bucket);
    if (asked.method !== 'GET') throw new VendorError(501, 'NotImplemented', 'This stand-in does not keep it.');
    throw new VendorError(404, code, 'There is none.');
  };
}
