import { FULL_CONTROL, OWNER_ID, PRIVATE_ACL } from '../../s3/acl.ts';
import { readBody } from '../../s3/body.ts';
import { S3Error, type S3ErrorCode } from '../../s3/error.ts';
import type { S3Request, S3Response } from '../../s3/message.ts';
import { childText, MAX_XML_BYTES, parseXml, type XmlElement, type XmlNode } from '../../s3/xml.ts';
import { documentAnswer, emptyAnswer, xmlAnswer } from '../encode/answer.ts';
import type { ObjectStore } from '../object-store.ts';
import { bucketOf, type Operation, type Operations, placeOf } from '../operation.ts';

/**
 * The settings of a bucket, as one that has none of them answers. Clients ask for some of these before anything
 * else, and take an unexpected error for a broken service.
 */
export const settingOperations = {
  GetBucketVersioning: setting(['VersioningConfiguration', '']),
  GetBucketNotificationConfiguration: setting(['NotificationConfiguration', '']),
  GetBucketLogging: setting(['BucketLoggingStatus', '']),
  GetBucketAccelerateConfiguration: setting(['AccelerateConfiguration', '']),
  GetBucketRequestPayment: setting(['RequestPaymentConfiguration', [['Payer', 'BucketOwner']]]),

  GetBucketTagging: unset('NoSuchTagSet'),
  GetBucketPolicy: unset('NoSuchBucketPolicy'),
  GetBucketPolicyStatus: unset('NoSuchBucketPolicy'),
  GetBucketLifecycleConfiguration: unset('NoSuchLifecycleConfiguration'),
  GetBucketCors: unset('NoSuchCORSConfiguration'),
  GetBucketEncryption: unset('ServerSideEncryptionConfigurationNotFoundError'),
  GetBucketWebsite: unset('NoSuchWebsiteConfiguration'),
  GetBucketReplication: unset('ReplicationConfigurationNotFoundError'),
  GetBucketOwnershipControls: unset('OwnershipControlsNotFoundError'),
  GetPublicAccessBlock: unset('NoSuchPublicAccessBlockConfiguration'),
  GetObjectLockConfiguration: unset('ObjectLockConfigurationNotFoundError'),

  /** Taking away what is not there is no error. */
  DeleteBucketTagging: remove,
  DeleteBucketPolicy: remove,
  DeleteBucketLifecycle: remove,
  DeleteBucketCors: remove,
  DeleteBucketEncryption: remove,

  async GetBucketAcl(request, { store }) {
    await store.headBucket(bucketOf(request));
    return documentAnswer(PRIVATE_ACL);
  },
  async GetObjectAcl(request, { store }) {
    await headObject(request, store);
    return documentAnswer(PRIVATE_ACL);
  },
  async PutBucketAcl(request, { store }) {
    await checkAcl(request);
    await store.headBucket(bucketOf(request));
    return emptyAnswer(200);
  },
  async PutObjectAcl(request, { store }) {
    await checkAcl(request);
    await headObject(request, store);
    return emptyAnswer(200);
  },
} satisfies Operations;

function setting(document: XmlNode): Operation {
  return async (request, { store }) => {
    await store.headBucket(bucketOf(request));
    return xmlAnswer(document);
  };
}

function unset(code: S3ErrorCode): Operation {
  return async (request, { store }) => {
    const bucket = bucketOf(request);
    await store.headBucket(bucket);
    throw new S3Error(code, { detail: { BucketName: bucket } });
  };
}

async function remove(...[request, { store }]: Parameters<Operation>): Promise<S3Response> {
  await store.headBucket(bucketOf(request));
  return emptyAnswer(204);
}

async function headObject(request: S3Request, store: ObjectStore): Promise<void> {
  const read = { range: undefined, partNumber: undefined, conditions: {}, headOnly: true };
  await store.getObject({ ...placeOf(request), ...read }, request.signal);
}

/**
 * The owner may do all, nobody else anything: the only ACL there is, so the only one that may be set, by name or as
 * the document that GetBucketAcl gave.
 */
async function checkAcl(request: S3Request): Promise<void> {
  const hasGrants = [...request.headers.keys()].some((name) => name.startsWith('x-amz-grant-'));
  const canned = request.headers.get('x-amz-acl');
  const body = await readBody(request.body, MAX_XML_BYTES, 'MaxMessageLengthExceeded');
  const isPrivate = body.byteLength === 0 ? canned === 'private' : canned === undefined && isPrivateAcl(parseXml(body));
  if (isPrivate && !hasGrants) return;
  throw new S3Error('NotImplemented', { message: 'Only the canned ACL private can be set.' });
}

function isPrivateAcl(document: XmlElement): boolean {
  const lists = document.children.filter((child) => child.name === 'AccessControlList');
  const grants = lists.flatMap((list) => list.children);
  return document.name === 'AccessControlPolicy' && grants.length === 1 && grants.every(isOwnersGrant);
}

function isOwnersGrant(grant: XmlElement): boolean {
  const grantee = grant.children.find((child) => child.name === 'Grantee');
  return (
    grantee !== undefined && childText(grantee, 'ID') === OWNER_ID && childText(grant, 'Permission') === FULL_CONTROL
  );
}
