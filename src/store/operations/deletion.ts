import { checkKey } from '../../s3/address.ts';
import { CHECKSUM_ALGORITHMS, checksumHeader } from '../../s3/checksum.ts';
import { S3Error } from '../../s3/error.ts';
import { unquoteEtag } from '../../s3/etag.ts';
import type { S3Request } from '../../s3/message.ts';
import { childText, type XmlElement, type XmlNode } from '../../s3/xml.ts';
import { readXml } from '../decode/document.ts';
import { xmlAnswer } from '../encode/answer.ts';
import { bucketOf, checkVersion, type Operations, type ServeContext } from '../operation.ts';

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
const MAX_KEYS = 1000;

interface Victim {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly etag: string | undefined;
  /** Elements that only directory buckets know. */
  readonly hasForeignCondition: boolean;
}

/** Many objects at once. */
export const deletionOperations = {
  /** Each key fails or succeeds by itself; a store may take them all at once. */
  async DeleteObjects(request, context) {
    const bucket = bucketOf(request);
    const document = await readXml(request, 'Delete');
    checkDigest(request);
    const { victims, isQuiet } = parseDelete(document);
    await context.store.headBucket(bucket);
    const settled = await Promise.allSettled(victims.map((victim) => deleteOne(bucket, victim, context)));
    const results = settled.map(resultOf);
    return xmlAnswer(['DeleteResult', results.filter(([name]) => name === 'Error' || !isQuiet)]);
  },
} satisfies Operations;

/** A key damaged on the way would delete another object, so S3 wants the document's digest. */
function checkDigest(request: S3Request): void {
  const { headers } = request;
  const hasDigest =
    headers.has('content-md5') ||
    request.bodyChecksum() !== undefined ||
    CHECKSUM_ALGORITHMS.some((algorithm) => headers.has(checksumHeader(algorithm)));
  if (hasDigest) return;
  throw new S3Error('InvalidRequest', { message: 'Missing required header for this request: Content-MD5' });
}

function parseDelete(document: XmlElement): { readonly victims: readonly Victim[]; readonly isQuiet: boolean } {
  const quiet = childText(document, 'Quiet')?.trim().toLowerCase() ?? 'false';
  const objects = document.children.filter((child) => child.name === 'Object');
  if (objects.length === 0 || objects.length > MAX_KEYS || (quiet !== 'true' && quiet !== 'false')) {
    throw new S3Error('MalformedXML');
  }
  return { victims: objects.map(parseVictim), isQuiet: quiet === 'true' };
}

function parseVictim(object: XmlElement): Victim {
  const key = childText(object, 'Key');
  if (key === undefined || key === '') throw new S3Error('MalformedXML');
  const etag = childText(object, 'ETag');
  return {
    key,
    versionId: childText(object, 'VersionId'),
    etag: etag === undefined ? undefined : unquoteEtag(etag),
    hasForeignCondition: object.children.some(({ name }) => name === 'LastModifiedTime' || name === 'Size'),
  };
}

async function deleteOne(bucket: string, victim: Victim, { store }: ServeContext): Promise<XmlNode> {
  const { key, versionId, etag } = victim;
  try {
    checkKey(key);
    checkVersion(versionId);
    if (victim.hasForeignCondition) throw new S3Error('NotImplemented');
    await store.deleteObject({ bucket, key, conditions: etag === undefined ? {} : { ifMatch: etag } });
    return [
      'Deleted',
      [
        ['Key', key],
        ['VersionId', versionId],
      ],
    ];
  } catch (error) {
    // Anything else is our failure: it becomes the request's, so that it is logged; the client may ask again.
    if (!(error instanceof S3Error)) throw error;
    return [
      'Error',
      [
        ['Key', key],
        ['VersionId', versionId],
        ['Code', error.code],
        ['Message', error.message],
      ],
    ];
  }
}

function resultOf(settled: PromiseSettledResult<XmlNode>): XmlNode {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}
