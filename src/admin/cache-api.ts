import type { CacheCounts } from './figures.ts';

/** One version that is kept, in the names of clients. */
export interface CacheEntryView {
  readonly bucket: string;
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  /** ISO dates. */
  readonly storedAt: string;
  readonly validatedAt: string;
}

/** What is warmed, and how far it is. */
export interface WarmProgress {
  readonly id: string;
  readonly state: 'listing' | 'running' | 'done' | 'failed';
  readonly objects: number;
  readonly objectsDone: number;
  readonly objectsFailed: number;
  readonly bytes: number;
  readonly bytesDone: number;
}

export interface WarmOrder {
  readonly bucket: string;
  readonly prefix: string;
  /** Instead of all keys below the prefix. */
  readonly keys?: readonly string[] | undefined;
  /** Bytes a second at any time, of what has to be fetched; undefined for no limit. */
  readonly rate?: number | undefined;
}

/** What the API asks of the cache. */
export interface CacheSource {
  stats(): CacheCounts;
  list(bucket: string | undefined, prefix: string, limit: number): Promise<readonly CacheEntryView[]>;
  /** @param bucket undefined for everything. @returns number of objects taken out */
  purge(bucket: string | undefined, prefix: string): Promise<number>;
  warm(order: WarmOrder): WarmProgress;
  progress(id: string): WarmProgress | undefined;
}

export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The parsed JSON of a POST. */
  readonly body: unknown;
}

export interface ApiAnswer {
  readonly status: number;
  readonly json: unknown;
}

const LIST_LIMIT = 1000;
const MAX_LIST_LIMIT = 1_000_000;

/**
 * Answers `/api/cache/...`: `GET stats`, `GET entries?bucket&prefix&limit`, `POST purge {bucket, prefix}`,
 * `POST warm {bucket, prefix, keys, rate}` and `GET warm?id`.
 * @param cache undefined when the configuration has none
 */
export async function answerCacheApi(request: ApiRequest, cache: CacheSource | undefined): Promise<ApiAnswer> {
  const { method, path, query, body } = request;
  const route = `${method === 'HEAD' ? 'GET' : method} ${path}`;
  if (!ROUTES.has(route)) return { status: 404, json: { error: 'not found' } };
  if (cache === undefined) return { status: 409, json: { error: 'no bucket of the configuration is cached' } };
  const fields = fieldsOf(body);
  switch (route) {
    case 'GET /api/cache/stats':
      return { status: 200, json: cache.stats() };
    case 'GET /api/cache/entries': {
      const limit = Number(query.get('limit') ?? LIST_LIMIT);
      if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIST_LIMIT) return wrong('limit');
      return {
        status: 200,
        json: { entries: await cache.list(query.get('bucket') ?? undefined, query.get('prefix') ?? '', limit) },
      };
    }
    case 'POST /api/cache/purge': {
      const { bucket, prefix = '', ...others } = fields;
      // What is misspelt must not stand for everything.
      const [unknown = fields === NO_FIELDS ? 'body' : undefined] = Object.keys(others);
      if (unknown !== undefined) return wrong(unknown);
      if (typeof prefix !== 'string') return wrong('prefix');
      if (bucket !== undefined && typeof bucket !== 'string') return wrong('bucket');
      if (bucket === undefined && prefix !== '') return wrong('bucket');
      return { status: 200, json: { purged: await cache.purge(bucket, prefix) } };
    }
    case 'POST /api/cache/warm': {
      const { bucket, prefix = '', keys, rate } = fields;
      if (typeof bucket !== 'string') return wrong('bucket');
      if (typeof prefix !== 'string') return wrong('prefix');
      if (keys !== undefined && !isTexts(keys)) return wrong('keys');
      if (rate !== undefined && (typeof rate !== 'number' || !(rate > 0))) return wrong('rate');
      return { status: 202, json: cache.warm({ bucket, prefix, keys, rate }) };
    }
    default: {
      const progress = cache.progress(query.get('id') ?? '');
      return progress === undefined ? { status: 404, json: { error: 'no such job' } } : { status: 200, json: progress };
    }
  }
}

const ROUTES: ReadonlySet<string> = new Set([
  'GET /api/cache/stats',
  'GET /api/cache/entries',
  'POST /api/cache/purge',
  'POST /api/cache/warm',
  'GET /api/cache/warm',
]);

const NO_FIELDS: Readonly<Record<string, unknown>> = {};

function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body } : NO_FIELDS;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function wrong(field: string): ApiAnswer {
  return { status: 400, json: { error: `${field} is missing or wrong` } };
}
