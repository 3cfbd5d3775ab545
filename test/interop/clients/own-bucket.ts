import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  HeadBucketCommand,
  type ObjectIdentifier,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import type { Check, ClientAccess } from '../scenario.ts';

/** A bucket for a client that makes none, or removes none. */
export interface OwnBucket {
  readonly client: S3Client;
  /** All keys, in the order of the listing. */
  keys(): Promise<string[]>;
}

/** Makes the bucket of a round, and removes it with all that is in it afterwards. */
export async function ownBucket(t: Check, access: ClientAccess): Promise<OwnBucket> {
  const bucket = removeAfterwards(t, access);
  await bucket.client.send(new CreateBucketCommand({ Bucket: access.bucket }));
  return bucket;
}

/** Removes a bucket that a client makes and leaves. */
export function removeAfterwards(t: Check, access: ClientAccess): OwnBucket {
  const { bucket } = access;
  const client = clientFor(access);
  t.teardown(() => client.destroy());
  t.teardown(() => removeBucket(client, bucket));
  return { client, keys: () => keysOf(client, bucket) };
}

/** The certificate counts where the endpoint is the one it belongs to. */
function clientFor({ endpoint, accessKey, secretKey, secure }: ClientAccess): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    ...(secure?.endpoint === endpoint && {
      requestHandler: { httpsAgent: new Agent({ ca: readFileSync(secure.caFile) }) },
    }),
  });
}

async function keysOf(client: S3Client, bucket: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: bucket })) {
    keys.push(...Contents.map(({ Key = '' }) => Key));
  }
  return keys;
}

async function removeBucket(client: S3Client, bucket: string): Promise<void> {
  // A round that broke off early made none.
  const isThere = await client.send(new HeadBucketCommand({ Bucket: bucket })).then(
    () => true,
    () => false,
  );
  if (!isThere) return;
  const objects: ObjectIdentifier[] = (await keysOf(client, bucket)).map((Key) => ({ Key }));
  for (let from = 0; from < objects.length; from += 1000) {
    const Objects = objects.slice(from, from + 1000);
    await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }));
  }
  await client.send(new DeleteBucketCommand({ Bucket: bucket }));
}
