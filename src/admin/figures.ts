import { type CacheFigures, FROM_CACHE, type RuleFigures } from '../observe/cache-figures.ts';

/** The cache's counts, as the API gives them. */
export type CacheCounts = Pick<CacheFigures, 'usage'> & CacheFigures['stats'];

/** How much of something came from the cache. */
export interface Share {
  readonly all: number;
  readonly fromHere: number;
}

/** Requests of one method. What is bypassed does not count. */
export function requestsOf({ requests }: RuleFigures, method: 'GET' | 'HEAD'): Share {
  const own = Object.entries(requests).filter(([name]) => name.startsWith(`${method} `));
  return shareOf(own.map(([name, count]) => [name.slice(method.length + 1), count]));
}

/** Bytes of GET answers, likewise. */
export function bytesOf({ bytes }: RuleFigures): Share {
  return shareOf(Object.entries(bytes));
}

function shareOf(counts: readonly (readonly [result: string, count: number])[]): Share {
  let [all, fromHere] = [0, 0];
  for (const [result, count] of counts) {
    if (result !== 'bypass') all += count;
    if (FROM_CACHE.has(result)) fromHere += count;
  }
  return { all, fromHere };
}

/** Such as `97.5%`; undefined where there is nothing to have a share of. */
export function formatShare({ all, fromHere }: Share): string | undefined {
  return all === 0 ? undefined : `${((100 * fromHere) / all).toFixed(1)}%`;
}

/** Such as `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  const unit = ['B', 'KiB', 'MiB', 'GiB', 'TiB'][power];
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${unit}`;
}
