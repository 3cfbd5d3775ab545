import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { CacheEntryView, WarmProgress } from '../admin/cache-api.ts';
import { bytesOf, type CacheCounts, formatBytes, formatShare, requestsOf } from '../admin/figures.ts';
import { ConfigError } from '../config/config-error.ts';
import { configFile, findConfig } from '../config/find.ts';
import { adminListen, urlHost } from '../config/listen.ts';
import { configSchema } from '../config/schema.ts';
import { parseSize } from '../config/units.ts';
import { createWarmBar } from './cache/warm-bar.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Where the running gateway's admin port is, and what it wants to hear. */
export interface CacheOptions {
  readonly config?: string;
  /** Such as `http://127.0.0.1:9001`. */
  readonly admin?: string;
  readonly token?: string;
  readonly json?: boolean;
}

/** Prints what the cache holds and has done. @throws Error */
export async function cacheStats(options: CacheOptions, env: Env): Promise<void> {
  const stats = (await call(options, env, 'GET', 'stats')) as CacheCounts;
  if (options.json === true) return print(JSON.stringify(stats, null, 2));
  const { usage, rules, counters, evictions } = stats;
  for (const [tier, figures] of Object.entries(usage)) {
    if (figures === undefined) continue;
    print(`${tier}: ${formatBytes(figures.bytes)} of ${formatBytes(figures.size)}, ${figures.count} objects`);
  }
  for (const counts of rules) {
    const { rule, requests, bytesFetched, revalidations, verified } = counts;
    print(`\n${rule}`);
    for (const [name, count] of Object.entries(requests)) print(`  ${name.padEnd(18)} ${count}`);
    for (const method of ['GET', 'HEAD'] as const) {
      const share = formatShare(requestsOf(counts, method));
      if (share !== undefined) print(`  ${`${method} from here`.padEnd(18)} ${share} of requests`);
    }
    const bytes = bytesOf(counts);
    const share = formatShare(bytes);
    print(
      `  ${'bytes saved'.padEnd(18)} ${formatBytes(bytes.fromHere)}${share === undefined ? '' : `, ${share} of bytes`}`,
    );
    print(`  ${'bytes fetched'.padEnd(18)} ${formatBytes(bytesFetched)}`);
    print(`  ${'revalidations'.padEnd(18)} ${revalidations.unchanged} unchanged, ${revalidations.changed} changed`);
    if (verified.right + verified.stale > 0) {
      print(`  ${'verified'.padEnd(18)} ${verified.right} right, ${verified.stale} stale`);
    }
  }
  for (const [tier, { counts, age }] of Object.entries(evictions)) {
    const count = counts.reduce((total, each) => total + each, 0);
    if (count > 0) print(`\nevicted from ${tier}: ${count}, after ${Math.round(age / count)} s on average`);
  }
  print('');
  for (const [name, count] of Object.entries(counters)) if (count > 0) print(`${name.padEnd(20)} ${count}`);
}

/**
 * Prints what is kept, one object a line: size, when it was last confirmed, bucket and key.
 * @throws ConfigError for wrong usage, as all of these do; Error for what the gateway answers
 */
export async function cacheLs(
  place: string | undefined,
  options: CacheOptions & { readonly limit: string },
  env: Env,
): Promise<void> {
  if (!/^[1-9]\d*$/.test(options.limit))
    throw new ConfigError([`--limit ${options.limit}: is not a number of objects`]);
  const { bucket, prefix } = placeOf(place);
  const query = new URLSearchParams({ ...(bucket !== undefined && { bucket }), prefix, limit: options.limit });
  // What the API gives.
  const { entries } = (await call(options, env, 'GET', `entries?${query}`)) as { readonly entries: CacheEntryView[] };
  if (options.json === true) return print(JSON.stringify(entries, null, 2));
  for (const entry of entries) {
    print(`${formatBytes(entry.size).padStart(10)}  ${entry.validatedAt}  ${entry.bucket}/${escapeControl(entry.key)}`);
  }
}

/** Takes objects out of the cache; the storage keeps them. @throws Error */
export async function cachePurge(
  place: string | undefined,
  options: CacheOptions & { readonly all?: boolean },
  env: Env,
): Promise<void> {
  if ((place === undefined) === (options.all !== true)) {
    throw new ConfigError(['cache purge: name BUCKET[/PREFIX], or give --all']);
  }
  const { purged } = (await call(options, env, 'POST', 'purge', placeOf(place))) as { readonly purged: number };
  print(`${countOf(purged)} purged`);
}

/** Brings objects into the cache, and shows how far it is. @throws Error when some could not be read */
export async function cacheWarm(
  place: string,
  options: CacheOptions & { readonly keys?: string; readonly rate?: string },
  env: Env,
): Promise<void> {
  const rate = options.rate === undefined ? undefined : parseSize(options.rate);
  if (options.rate !== undefined && (rate === undefined || rate === 0)) {
    throw new ConfigError([`--rate ${options.rate}: is not a size, such as 10MiB`]);
  }
  const keys =
    options.keys === undefined
      ? undefined
      : readFileSync(options.keys === '-' ? 0 : options.keys, 'utf8')
          .split('\n')
          .filter((key) => key !== '');
  // What the API gives.
  let progress = (await call(options, env, 'POST', 'warm', { ...placeOf(place), keys, rate })) as WarmProgress;
  const bar = createWarmBar(process.stderr);
  try {
    bar.show(progress);
    while (progress.state === 'listing' || progress.state === 'running') {
      await delay(POLL_MS);
      progress = (await call(options, env, 'GET', `warm?id=${progress.id}`)) as WarmProgress;
      bar.show(progress);
    }
  } finally {
    bar.close();
  }
  print(`${countOf(progress.objectsDone)}, ${formatBytes(progress.bytesDone)} in the cache or passed through it`);
  if (progress.state === 'failed') throw new Error('the listing failed: see the log of the gateway');
  if (progress.objectsFailed > 0) throw new Error(`${countOf(progress.objectsFailed)} could not be read`);
}

const POLL_MS = 200;

function placeOf(place: string | undefined): { readonly bucket: string | undefined; readonly prefix: string } {
  const slash = place?.indexOf('/') ?? -1;
  if (place === undefined || slash < 0) return { bucket: place, prefix: '' };
  return { bucket: place.slice(0, slash), prefix: place.slice(slash + 1) };
}

/** Asks the admin port. @throws Error with what it answers, or that it cannot be reached */
async function call(options: CacheOptions, env: Env, method: string, path: string, body?: unknown): Promise<unknown> {
  const { url, token } = addressOf(options, env);
  const answer = await new Promise<{ status: number; content: string }>((resolve, reject) => {
    const message = request(new URL(`/api/cache/${path}`, url), {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    });
    message.once('error', (cause) => reject(new Error(`no gateway answers at ${url}`, { cause })));
    message.once('response', (response) => {
      text(response).then((content) => resolve({ status: response.statusCode ?? 0, content }), reject);
    });
    message.end(body === undefined ? undefined : JSON.stringify(body));
  });
  if (answer.status === 401) throw new Error('the admin token is wrong: give --token or set SLUICE_ADMIN_TOKEN');
  const parsed: unknown = answer.content.startsWith('{')
    ? JSON.parse(answer.content)
    : { error: answer.content.trim() };
  if (answer.status < 300) return parsed;
  const error =
    typeof parsed === 'object' && parsed !== null && 'error' in parsed ? String(parsed.error) : answer.content;
  throw new Error(error);
}

const NO_FILE: { readonly listen: string; readonly admin: { readonly listen?: string; readonly token?: string } } = {
  listen: configSchema.shape.listen.parse(undefined),
  admin: {},
};

function addressOf(options: CacheOptions, env: Env): { readonly url: string; readonly token: string } {
  const given = { url: options.admin, token: options.token ?? env.SLUICE_ADMIN_TOKEN };
  if (given.url !== undefined && given.token !== undefined) return { url: given.url, token: given.token };
  const where = options.config === undefined ? {} : { config: options.config };
  // Without a file nothing is looked up: the embedded default would be made here, in whatever folder this is.
  const config = configFile(where, env) === undefined ? NO_FILE : findConfig(where, env).config;
  const { host, port } = adminListen(config);
  const token = given.token ?? config.admin.token;
  if (token === undefined) {
    throw new ConfigError(['no admin token: configure one, give --token or set SLUICE_ADMIN_TOKEN']);
  }
  return { url: given.url ?? `http://${urlHost(host)}:${port}`, token };
}

/** A key may hold what a terminal would obey. */
function escapeControl(key: string): string {
  return key.replaceAll(
    /\p{Cc}/gu,
    (character) => `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  );
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function countOf(objects: number): string {
  return objects === 1 ? '1 object' : `${objects} objects`;
}
