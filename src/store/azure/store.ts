import type { ObjectStore } from '../object-store.ts';
import { AccountTraits } from './account-traits.ts';
import { bucketMethods, checkContainer } from './buckets.ts';
import { type AzureClientOptions, createAzureClient } from './client.ts';
import type { Context } from './context.ts';
import { copyObject } from './copying.ts';
import { deleteObject } from './deleting.ts';
import type { Delivery } from './delivery.ts';
import { listObjects } from './listing.ts';
import { multipartMethods } from './multipart.ts';
import { getObject } from './reading.ts';
import { getTagging, putTagging } from './tagging.ts';
import { Uploads } from './uploads.ts';
import { putObject } from './writing.ts';

/** The transport is closed with the store. */
export interface AzureStoreOptions extends AzureClientOptions {
  /** How reads are handed over to Azure, where they may be; never unless given. */
  readonly delivery?: Delivery | undefined;
}

/**
 * A store in an account of Azure Blob Storage: buckets are containers, objects are block blobs. Everything it knows is
 * in the account, so that any number of gateways may work on one, and may be stopped at any time. Nothing is sent yet.
 */
export function openAzureStore(options: AzureStoreOptions): ObjectStore {
  const { transport, now } = options;
  const client = createAzureClient(options);
  const traits = new AccountTraits(client, options.log);
  const context: Context = {
    client,
    now: () => now().getTime(),
    traits,
    uploads: new Uploads(client),
    delivery: options.delivery,
  };
  return {
    ...bucketMethods(context),
    ...multipartMethods(context),
    async listObjects(input) {
      return listObjects(context, input);
    },
    async getObject(input, signal) {
      checkContainer(input.bucket);
      await traits.checkKey(input.key);
      return getObject(context, input, signal);
    },
    async putObject(input, signal) {
      await traits.checkKey(input.key);
      return putObject(context, input, signal);
    },
    async copyObject(input, signal) {
      checkContainer(input.bucket);
      checkContainer(input.source.bucket);
      await traits.checkKey(input.source.key);
      await traits.checkKey(input.key);
      return copyObject(context, input, signal);
    },
    async deleteObject(input) {
      await traits.checkKey(input.key);
      return deleteObject(context, input);
    },
    async getObjectTagging(place) {
      checkContainer(place.bucket);
      await traits.checkKey(place.key);
      return getTagging(context, place);
    },
    async putObjectTagging(place, tags) {
      checkContainer(place.bucket);
      await traits.checkKey(place.key);
      return putTagging(context, place, tags);
    },
    close: () => transport.close(),
  };
}
