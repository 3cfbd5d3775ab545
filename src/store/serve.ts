import { Readable } from 'node:stream';
import { S3Error } from '../s3/error.ts';
import type { Handler, S3Request } from '../s3/message.ts';
import type { ObjectStore } from './object-store.ts';
import type { Operation, Operations, ServeContext } from './operation.ts';
import { attributeOperations } from './operations/attributes.ts';
import { bucketOperations } from './operations/buckets.ts';
import { deletionOperations } from './operations/deletion.ts';
import { listingOperations } from './operations/listing.ts';
import { multipartOperations } from './operations/multipart.ts';
import { objectOperations } from './operations/objects.ts';
import { settingOperations } from './operations/settings.ts';
import { taggingOperations } from './operations/tagging.ts';
import { uploadListingOperations } from './operations/uploads.ts';

export interface ServeOptions {
  /** The region that GetBucketLocation and HeadBucket name. `us-east-1` unless given. */
  readonly region?: string;
}

/** What a store can be asked; any other operation answers NotImplemented. */
const OPERATIONS: Operations = {
  ...bucketOperations,
  ...settingOperations,
  ...listingOperations,
  ...objectOperations,
  ...attributeOperations,
  ...taggingOperations,
  ...deletionOperations,
  ...multipartOperations,
  ...uploadListingOperations,
};

/**
 * Turns a store into a handler: decodes the request, asks the store, encodes its answer. The request's body is
 * consumed or destroyed by the time the answer is there.
 */
export function serve(store: ObjectStore, { region = 'us-east-1' }: ServeOptions = {}): Handler {
  const context: ServeContext = { store, region };
  return async (request) => {
    try {
      return await operationOf(request)(request, context);
    } finally {
      if (request.body instanceof Readable) request.body.destroy();
    }
  };
}

/** @throws S3Error MethodNotAllowed where S3 has no such method, NotImplemented where only we do not know it */
function operationOf(request: S3Request): Operation {
  if (request.operation !== 'Unknown') {
    const operation = OPERATIONS[request.operation];
    if (operation === undefined) throw new S3Error('NotImplemented');
    return operation;
  }
  // Without a query there is no sub-resource that we might fail to know.
  throw new S3Error(request.query.parameters.length > 0 ? 'NotImplemented' : 'MethodNotAllowed', {
    detail: { Method: request.method },
  });
}
