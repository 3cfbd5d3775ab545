import type { Cache } from './cache/cache.ts';
import { PRESETS } from './cache/presets.ts';
import { compileRules, type RuleSet } from './cache/rules.ts';
import type { CacheLog } from './cache/shared.ts';
import type { Config } from './config/schema.ts';

/** The cache that configurations ask for: opened when the first one does, and kept through all that follow. */
export interface ConfiguredCache {
  /** @throws Error when its folder cannot be used */
  of(config: Config): Promise<Cache | undefined>;
  /** Gives the cache the sizes of a configuration that is at work now. */
  adjust(config: Config): void;
  /** The cache as it is now. */
  current(): Cache | undefined;
  close(): Promise<void>;
}

export interface CacheDependencies {
  readonly log: CacheLog;
  readonly now: () => Date;
  /** Told of the bytes that came from storages. */
  readonly onFetched?: ((bytes: number) => void) | undefined;
}

export function openConfiguredCache(dependencies: CacheDependencies): ConfiguredCache {
  let opened: Promise<Cache> | undefined;
  let current: Cache | undefined;
  return {
    of: async (config) => {
      if (opened === undefined && !config.buckets.some(({ cache }) => cache !== undefined && cache !== 'off')) {
        return undefined;
      }
      opened ??= open(config, dependencies);
      try {
        current = await opened;
      } catch (error) {
        opened = undefined;
        throw error;
      }
      return current;
    },
    adjust: ({ cache }) => {
      if (current === undefined || current.adjust(cache)) return;
      dependencies.log.warn(
        { disk: cache.disk?.path },
        'another folder for the cache, or none, counts from the next start on',
      );
    },
    current: () => current,
    close: async () => current?.close(),
  };
}

async function open({ cache }: Config, dependencies: CacheDependencies): Promise<Cache> {
  // Loaded when first wanted: a gateway without a cache starts without it.
  const { openCache } = await import('./cache/cache.ts');
  return openCache({ memory: cache.memory, disk: cache.disk, verify: cache.verify, ...dependencies });
}

/** The rule sets of a configuration, presets among them, by name; none for `off`. */
export function cacheRules({ cache }: Pick<Config, 'cache'>): ReadonlyMap<string, RuleSet> {
  const sets = { ...PRESETS, ...cache.ruleSets };
  return new Map(Object.entries(sets).map(([name, rules]) => [name, compileRules(name, rules)]));
}
