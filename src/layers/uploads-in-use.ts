import { Readable } from 'node:stream';
import type { Layer, S3Request } from '../s3/message.ts';

/** The uploads in parts that requests are at work on in this very moment. */
export interface UploadsInUse {
  /** Goes around a storage. @param address where it is: of two storages with one address, uploads are the same */
  layer(address: string): Layer;
  has(upload: {
    readonly address: string;
    readonly bucket: string;
    readonly key: string;
    readonly uploadId: string;
  }): boolean;
}

/**
 * Remembers which uploads are being written, listed or completed, until the answer has been read: no list of a storage
 * tells of a part that has not arrived yet.
 */
export function watchUploads(): UploadsInUse {
  const users = new Map<string, number>();
  const nameOf = (address: string, bucket: string, key: string, uploadId: string): string =>
    JSON.stringify([address, bucket, key, uploadId]);
  const uploadOf = (address: string, { bucket = '', key = '', query }: S3Request): string | undefined => {
    const uploadId = query.get('uploadId');
    return uploadId === undefined ? undefined : nameOf(address, bucket, key, uploadId);
  };
  return {
    layer: (address) => (next) => async (request) => {
      const upload = uploadOf(address, request);
      if (upload === undefined) return next(request);
      users.set(upload, (users.get(upload) ?? 0) + 1);
      const leave = (): void => {
        const left = (users.get(upload) ?? 1) - 1;
        if (left === 0) users.delete(upload);
        else users.set(upload, left);
      };
      try {
        const response = await next(request);
        if (response.body instanceof Readable && !response.body.closed) response.body.once('close', leave);
        else leave();
        return response;
      } catch (error) {
        leave();
        throw error;
      }
    },
    has: ({ address, bucket, key, uploadId }) => users.has(nameOf(address, bucket, key, uploadId)),
  };
}
