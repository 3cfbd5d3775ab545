import { createBucket, deleteBucket, headBucket, location, unset, versioning } from './buckets.ts';
import type { Context } from './context.ts';
import { accessControl, listBuckets, listObjects, listUploads } from './listing.ts';
import { type Answer, VendorError } from './message.ts';
import { abortUpload, completeUpload, copyPart, createUpload, listParts, uploadPart } from './multipart.ts';
import { copyObject, deleteObject, deleteObjects, getObject, putObject, tagging } from './objects.ts';
import { bucketOf, objectOf } from './store.ts';

type Operation = (context: Context) => Answer | Promise<Answer>;

const SUBRESOURCES = [
  'uploads',
  'uploadId',
  'delete',
  'acl',
  'tagging',
  'location',
  'versioning',
  'versions',
  'policy',
  'policyStatus',
  'cors',
  'lifecycle',
  'website',
  'logging',
  'notification',
  'requestPayment',
  'replication',
  'encryption',
  'accelerate',
  'object-lock',
  'publicAccessBlock',
  'ownershipControls',
  'attributes',
  'restore',
  'select',
  'retention',
  'legal-hold',
  'torrent',
] as const;

/** By place, method and sub-resource. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  'service GET': ({ buckets, row }) => listBuckets(buckets, row),

  'bucket PUT': createBucket,
  'bucket HEAD': headBucket,
  'bucket DELETE': deleteBucket,
  'bucket GET': ({ asked, buckets, row }) =>
    listObjects(asked, asked.bucket ?? '', bucketOf(buckets, asked.bucket), row),
  'bucket GET uploads': ({ asked, buckets, row }) =>
    listUploads(asked, asked.bucket ?? '', bucketOf(buckets, asked.bucket), row),
  'bucket GET location': location,
  'bucket GET versioning': versioning,
  'bucket GET acl': ({ asked, buckets, row }) => {
    bucketOf(buckets, asked.bucket);
    return accessControl(row);
  },
  'bucket GET policy': unset('NoSuchBucketPolicy'),
  'bucket GET cors': unset('NoSuchCORSConfiguration'),
  'bucket GET lifecycle': unset('NoSuchLifecycleConfiguration'),
  'bucket GET website': unset('NoSuchWebsiteConfiguration'),
  'bucket GET tagging': unset('NoSuchTagSet'),
  'bucket GET encryption': unset('ServerSideEncryptionConfigurationNotFoundError'),
  'bucket GET ownershipControls': unset('OwnershipControlsNotFoundError'),
  'bucket GET publicAccessBlock': unset('NoSuchPublicAccessBlockConfiguration'),
  'bucket POST delete': deleteObjects,

  'object PUT': putObject,
  'object PUT copy': copyObject,
  'object GET': getObject,
  'object HEAD': getObject,
  'object DELETE': deleteObject,
  'object POST uploads': createUpload,
  'object PUT uploadId': uploadPart,
  'object PUT uploadId copy': copyPart,
  'object GET uploadId': listParts,
  'object POST uploadId': completeUpload,
  'object DELETE uploadId': abortUpload,
  'object GET acl': ({ asked, buckets, row }) => {
    objectOf(bucketOf(buckets, asked.bucket), asked.key);
    return accessControl(row);
  },
  'object GET tagging': tagging,
  'object PUT tagging': tagging,
  'object DELETE tagging': tagging,
};

/**
 * Finds what a request asks for.
 * @throws VendorError NotImplemented for what no stand-in keeps
 */
export function operationOf({ asked }: Context): Operation {
  const place = asked.bucket === undefined ? 'service' : asked.key === undefined ? 'bucket' : 'object';
  const names = new Set(asked.parameters.map(([name]) => name));
  const subresource = SUBRESOURCES.find((name) => names.has(name));
  const isCopy = asked.method === 'PUT' && asked.headers['x-amz-copy-source'] !== undefined;
  const name = [place, asked.method, subresource, isCopy ? 'copy' : undefined]
    .filter((word) => word !== undefined)
    .join(' ');
  const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
  if (operation === undefined) throw new VendorError(501, 'NotImplemented', `A stand-in does not do ${name}.`);
  return operation;
}
