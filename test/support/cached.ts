import { type Cache, type CacheOptions, openCache } from '../../src/cache/cache.ts';
import type { CachePlace } from '../../src/cache/layer.ts';
import { type CacheRule, compileRules } from '../../src/cache/rules.ts';
import { parseCopySource } from '../../src/s3/copy-source.ts';
import { S3Error } from '../../src/s3/error.ts';
import type { Handler } from '../../src/s3/message.ts';
import { type CacheVendor, cacheVendor } from './cache-vendor.ts';
import { bytesOf, type RequestParts, s3Request } from './s3-request.ts';

export interface CachedAnswer {
  readonly status: number;
  readonly code: string | undefined;
  readonly result: string | undefined;
  readonly headers: ReadonlyMap<string, string>;
  readonly bytes: Buffer;
}

export interface Cached {
  readonly vendor: CacheVendor;
  readonly cache: Cache;
  /** The layer over the vendor. */
  readonly handler: Handler;
  /** Another place over the same vendor and cache. */
  at(place: Partial<CachePlace>, handler?: Handler): Handler;
  /** Milliseconds that the clock is ahead. */
  clock: { ahead: number };
}

export interface CachedOptions {
  readonly rules?: readonly CacheRule[];
  readonly memory?: number;
  readonly disk?: CacheOptions['disk'];
  readonly vendor?: CacheVendor;
  readonly verify?: number;
  readonly random?: () => number;
  /** The clock stands, but for what the test puts it ahead. */
  readonly isStill?: boolean;
}

/** A cache around a vendor in memory. */
export async function cached(
  test: { teardown(work: () => Promise<void>): void },
  options: CachedOptions = {},
): Promise<Cached> {
  const vendor = options.vendor ?? cacheVendor();
  const clock = { ahead: 0 };
  const begun = Date.now();
  const cache = await openCache({
    memory: options.memory ?? 64 * 2 ** 20,
    disk: options.disk,
    verify: options.verify ?? 0,
    now: () => new Date((options.isStill === true ? begun : Date.now()) + clock.ahead),
    log: { warn: () => undefined, info: () => undefined },
    ...(options.random && { random: options.random }),
  });
  test.teardown(() => cache.close());
  const place: CachePlace = {
    storage: 'vendor',
    place: 'http://vendor',
    bucket: 'bucket',
    prefix: '',
    clientBucket: 'bucket',
    rules: compileRules('test', options.rules ?? [{ match: '**', mode: 'revalidate' }]),
    partBytes: 8 * 2 ** 20,
    storagesThere: ['vendor'],
  };
  // As the router does it: a layer for each request, which knows what a copy copies.
  const at =
    (other: Partial<CachePlace>, handler = vendor.handler): Handler =>
    (request) => {
      const isCopy = request.headers.has('x-amz-copy-source');
      const copied = isCopy ? parseCopySource(request.headers) : undefined;
      return cache.layer({ ...place, copied, ...other })(handler)(request);
    };
  return { vendor, cache, clock, handler: at({}), at };
}

/** Sends a request and reads the whole answer; errors are answers too, but for a body that breaks off. */
export async function send(
  handler: Handler,
  parts: Partial<Omit<RequestParts, 'key'>> & { readonly key: string | undefined },
): Promise<CachedAnswer> {
  const { key, ...rest } = parts;
  const request = s3Request({ method: 'GET', bucket: 'bucket', ...rest, ...(key !== undefined && { key }) });
  try {
    const response = await handler(request);
    const result = resultOf(response.headers);
    // A body that breaks off is no answer at all: the client sees its connection cut.
    const bytes = await bytesOf(response).catch(() => undefined);
    if (bytes === undefined) return { status: 0, code: 'BROKEN', result, headers: response.headers, bytes: NONE };
    return { status: response.status, code: undefined, result, headers: response.headers, bytes };
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    const headers = error.headers ?? new Map<string, string>();
    return { status: error.status, code: error.code, result: resultOf(headers), headers, bytes: NONE };
  }
}

const NONE = Buffer.alloc(0);

function resultOf(headers: ReadonlyMap<string, string>): string | undefined {
  return headers.get('x-sluice-cache');
}

/** Something to wait for that the test lets go. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
