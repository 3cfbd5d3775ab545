import { setTimeout as delay } from 'node:timers/promises';
import { S3Error } from '../../s3/error.ts';
import { childText, type XmlElement } from '../../s3/xml.ts';
import type { BucketInfo, ObjectStore } from '../object-store.ts';
import type { AzureClient } from './client.ts';
import type { Context } from './context.ts';
import { azureCode, azureStatus } from './errors.ts';
import { listPage } from './list-page.ts';
import { isContainerName, SYSTEM_PREFIX } from './names.ts';
import { findBlob } from './reading.ts';

type BucketMethods = Pick<ObjectStore, 'listBuckets' | 'createBucket' | 'headBucket' | 'deleteBucket'>;

/** A container's metadata with its birth, since its Last-Modified moves. */
const CREATED = 'sluicecreated';
/** Azure takes half a minute to let go of a container's name; a client that waits longer than this asks again. */
const NAME_WAITS = [500, 1000, 2000];

/** The part of an ObjectStore that deals with buckets: they are containers. */
export function bucketMethods(context: Context): BucketMethods {
  const { client } = context;
  return {
    async listBuckets() {
      const found: BucketInfo[] = [];
      let marker: string | undefined;
      do {
        const root = await client.document({ method: 'GET', query: { comp: 'list', include: 'metadata', marker } });
        const containers = root.children.find((child) => child.name === 'Containers')?.children ?? [];
        found.push(...containers.map(bucketOf).filter(({ name }) => isContainerName(name)));
        marker = childText(root, 'NextMarker') || undefined;
      } while (marker !== undefined);
      return found.sort((a, b) => (a.name < b.name ? -1 : 1));
    },

    async createBucket(bucket) {
      if (!isContainerName(bucket)) throw new S3Error('InvalidBucketName', { detail: { BucketName: bucket } });
      const headers = { [`x-ms-meta-${CREATED}`]: new Date(context.now()).toISOString() };
      for (const wait of [...NAME_WAITS, undefined]) {
        try {
          await client.head({ method: 'PUT', container: bucket, query: { restype: 'container' }, headers });
          return;
        } catch (error) {
          if (azureCode(error) !== 'ContainerBeingDeleted') throw error;
          if (wait === undefined) throw new S3Error('OperationAborted', { cause: error });
          await delay(wait);
        }
      }
    },

    async headBucket(bucket) {
      checkContainer(bucket);
      try {
        const headers = await client.head({ method: 'HEAD', container: bucket, query: { restype: 'container' } });
        return { name: bucket, created: createdOf(headers.get(`x-ms-meta-${CREATED}`), headers.get('last-modified')) };
      } catch (error) {
        if (azureStatus(error) !== 403) throw error;
        // A token for one container may never look at it.
        await findContainer(client, bucket);
        return { name: bucket, created: new Date(0) };
      }
    },

    /** Azure removes a container with all that is in it: whether it is empty is for us to see. */
    async deleteBucket(bucket) {
      checkContainer(bucket);
      if (await hasObjects(context, bucket)) throw new S3Error('BucketNotEmpty', { detail: { BucketName: bucket } });
      await client.head({ method: 'DELETE', container: bucket, query: { restype: 'container' } });
    },
  };
}

/** @throws S3Error NoSuchBucket for a name that no container has */
export function checkContainer(bucket: string): void {
  if (!isContainerName(bucket)) throw new S3Error('NoSuchBucket', { detail: { BucketName: bucket } });
}

/** A name that no blob has. */
const NO_BLOB = `${SYSTEM_PREFIX}none`;

/**
 * Sees by other means that a container is there: by listing it, or where that is not allowed either, by what Azure says
 * is missing.
 * @throws S3Error NoSuchBucket, AccessDenied
 */
async function findContainer(client: AzureClient, container: string): Promise<void> {
  try {
    await listPage(client, { container, prefix: '', maxResults: 1 });
  } catch (error) {
    if (azureStatus(error) !== 403) throw error;
    await findBlob(client, container, NO_BLOB);
  }
}

async function hasObjects({ client, traits }: Context, container: string): Promise<boolean> {
  // A folder of a hierarchical account is there by itself, with nothing in it too.
  const delimiter = (await traits.isHierarchical()) ? undefined : '/';
  let marker: string | undefined;
  do {
    const page = await listPage(client, { container, prefix: '', delimiter, maxResults: 1000, marker });
    if (page.items.some(({ name, blob }) => !name.startsWith(SYSTEM_PREFIX) && blob?.isFolder !== true)) return true;
    // A page may be empty and not the last.
    marker = page.marker;
  } while (marker !== undefined);
  return false;
}

function bucketOf(container: XmlElement): BucketInfo {
  const [properties, metadata] = ['Properties', 'Metadata'].map((name) =>
    container.children.find((child) => child.name === name),
  );
  return {
    name: childText(container, 'Name') ?? '',
    created: createdOf(metadata && childText(metadata, CREATED), properties && childText(properties, 'Last-Modified')),
  };
}

function createdOf(...candidates: readonly (string | undefined)[]): Date {
  for (const text of candidates) {
    const date = new Date(text ?? '');
    if (!Number.isNaN(date.getTime())) return date;
  }
  return new Date(0);
}
