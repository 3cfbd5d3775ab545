import { ask, timeOf } from './cleanup/ask.ts';
import type { CleanupPlan } from './cleanup/cleaner.ts';
import type { Place, TidyStorage } from './cleanup/place.ts';
import { isProbeBucket } from './cleanup/probes.ts';
import type { Config } from './config/schema.ts';
import type { Generation, Storage } from './generation.ts';
import { poolBuckets } from './route/pool.ts';
import { childText } from './s3/xml.ts';

/** What the configuration wants tidied up, and where; undefined when it wants nothing. */
export function cleanupPlan({ config, storages }: Pick<Generation, 'config' | 'storages'>): CleanupPlan | undefined {
  const { cleanup } = config;
  return cleanup && { ...cleanup, storages: storages.map((storage) => tidyStorage(storage, config)) };
}

/**
 * What of a storage is this gateway's: the buckets that the configuration names, below their prefixes. Where all uploads
 * are Sluice's own, so are those in the buckets that it does not name.
 */
function tidyStorage({ config: storage, connection }: Storage, config: Config): TidyStorage {
  const { name, bucket, prefix } = storage;
  const named = withoutCovered([
    ...(bucket === undefined ? [] : [{ bucket, prefix, hasProbes: true, isProbe: false }]),
    ...config.buckets.filter((entry) => entry.storage === name).flatMap((entry) => placesOf(entry, storage)),
  ]);
  const hasOthers = bucket === undefined;
  const isShared = connection.kind === 'service';
  const { handler, clock, place: address } = connection;
  return {
    name,
    address,
    handler,
    clock,
    // An account is read whole for each page.
    pageSize: connection.kind === 'account' ? 1000 : 100,
    isPartial: hasOthers && isShared,
    places: async (signal) => {
      if (!hasOthers || isShared) return named;
      const latest = clock().getTime() - (config.cleanup?.incompleteUploads ?? 0);
      const all = (await bucketsOf(handler, signal)).map(({ name: found, created }): Place => {
        const isProbe =
          connection.kind === 'folder' && isProbeBucket(found) && created !== undefined && created.getTime() < latest;
        return { bucket: found, prefix, hasProbes: true, isProbe };
      });
      return withoutCovered([...all, ...named]);
    },
  };
}

function placesOf({ name, bucket, prefix, pool }: Config['buckets'][number], storage: Storage['config']): Place[] {
  const base = bucket ?? storage.bucket ?? name;
  const buckets = pool === undefined ? [base] : [base, ...poolBuckets(pool)];
  const below = `${storage.prefix}${prefix}`;
  return buckets.map((each) => ({ bucket: each, prefix: below, hasProbes: false, isProbe: false }));
}

/** Each place once: what lies below the prefix of another is looked at there. */
function withoutCovered(places: readonly Place[]): Place[] {
  return [...Map.groupBy(places, ({ bucket }) => bucket).values()].flatMap((group) =>
    group.filter(
      (place, index) =>
        !group.some(
          (other, at) => place.prefix.startsWith(other.prefix) && (other.prefix !== place.prefix || at < index),
        ),
    ),
  );
}

async function bucketsOf(
  handler: TidyStorage['handler'],
  signal: AbortSignal,
): Promise<readonly { readonly name: string; readonly created: Date | undefined }[]> {
  const question = { method: 'GET', bucket: undefined, root: 'ListAllMyBucketsResult' } as const;
  const { root } = await ask({ handler }, question, signal);
  const list = root.children.find(({ name }) => name === 'Buckets')?.children ?? [];
  return list.flatMap((bucket) => {
    const name = childText(bucket, 'Name');
    return name === undefined ? [] : [{ name, created: timeOf(bucket, 'CreationDate') }];
  });
}
