import { dropBody } from '../../s3/body.ts';
import type { Handler, Layer, S3Request, S3Response } from '../../s3/message.ts';
import type { Dialect } from '../dialect.ts';
import { ACCESS_HEADERS, ask, emptyAnswer, noteEmulation, pick } from './ask.ts';
import { makeOfParts } from './multipart.ts';
import { sliceBody } from './slices.ts';

export type PutLimits = Pick<Dialect, 'maxSinglePut' | 'minPart' | 'maxParts' | 'ifNoneMatch'>;

/** Parts of one upload that are in memory at a time, besides the one that is being read. */
const PARALLEL = 2;

/**
 * PutObject of what the service does not take in one request: more bytes than its limit, or a body whose length nobody
 * knows beforehand. Small ones of those are read first, and sent as usual; the rest becomes a multipart upload, with
 * three parts in memory at most. Nothing can be seen before the body has ended well.
 * @param uploadPartSize bytes of a part, unless the service's limits ask for more
 */
export function putObject(dialect: PutLimits, uploadPartSize: number): Layer {
  return (next) => async (request) => {
    const { operation, bodyLength } = request;
    if (operation !== 'PutObject' || (bodyLength !== undefined && bodyLength <= dialect.maxSinglePut)) {
      return next(request);
    }
    const slices = sliceBody(request.body, partSize(bodyLength, dialect, uploadPartSize));
    try {
      const whole = await slices.whole();
      // A body of known length comes here for being too long.
      return whole === undefined
        ? await putInParts(request, { blocks: slices.blocks(), next, dialect })
        : await next({ ...request, body: whole, bodyLength: whole.length });
    } finally {
      slices.destroy();
    }
  };
}

function partSize(length: number | undefined, dialect: PutLimits, wanted: number): number {
  const least = Math.ceil((length ?? 0) / dialect.maxParts);
  return Math.min(Math.max(wanted, dialect.minPart, least), dialect.maxSinglePut);
}

/** Headers that make the object what it is. Those of its bytes and of the request are not among them. */
const OF_THE_OBJECT =
  /^(cache-control|content-(disposition|encoding|language|type)|expires|x-amz-(acl|grant-.*|meta-.*|object-lock-.*|server-side-encryption.*|storage-class|tagging|website-redirect-location))$/;
const OF_THE_ANSWER = /^x-amz-(version-id|expiration|server-side-encryption.*|request-charged)$/;

async function putInParts(
  request: S3Request,
  how: { readonly blocks: AsyncIterable<Buffer>; readonly next: Handler; readonly dialect: PutLimits },
): Promise<S3Response> {
  noteEmulation(request, 'put in parts');
  const access = pick(request.headers, ACCESS_HEADERS);
  const made = await makeOfParts(
    request,
    {
      headers: pick(request.headers, OF_THE_OBJECT),
      parts: how.blocks,
      parallel: PARALLEL,
      async send(body, { number, uploadId, signal }) {
        const query = { partNumber: String(number), uploadId };
        const response = await how.next(
          ask(request, { operation: 'UploadPart', query, headers: access, body, signal }),
        );
        dropBody(response.body);
        // `toResponse` lets no UploadPart without an ETag pass.
        return response.headers.get('etag') ?? '';
      },
    },
    how,
  );
  const answer = emptyAnswer({ etag: made.etag });
  return { ...answer, headers: new Map([...pick(made.headers, OF_THE_ANSWER), ...answer.headers]) };
}
