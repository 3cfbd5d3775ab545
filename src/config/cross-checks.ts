import { PRESETS } from '../cache/presets.ts';
import { peerFilter } from '../http/peer-filter.ts';

/** One thing wrong in a configuration. `path` leads to it, as in `storages[0].endpoint`. */
export interface ConfigIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

type Entry = Readonly<Record<string, unknown>>;
type Section = 'storages' | 'credentials' | 'buckets';

/**
 * What no single value shows: names that are used twice, or that nothing defines. Takes the file's content as
 * it is, not the checked configuration, so that these mistakes are told together with all others.
 */
export function crossCheck(content: unknown): ConfigIssue[] {
  const root = toEntry(content);
  const sections = {
    storages: entries(root.storages),
    credentials: entries(root.credentials),
    buckets: entries(root.buckets),
  };
  return [
    ...repeated(sections, 'storages', 'name'),
    ...repeated(sections, 'credentials', 'name'),
    ...repeated(sections, 'credentials', 'accessKey'),
    ...repeatedBuckets(sections),
    ...unknownStorages(sections),
    ...defaults(sections.storages),
    ...sentinels(sections.storages),
    ...callers(sections),
    ...proxies(root.trustedProxies),
    ...ruleSets(sections.buckets, toEntry(toEntry(root.cache).ruleSets)),
  ];
}

type Sections = Readonly<Record<Section, readonly Entry[]>>;

function repeated(sections: Sections, section: Section, field: string): ConfigIssue[] {
  const first = new Map<unknown, number>();
  return sections[section].flatMap((entry, index) => {
    const value = entry[field];
    const earlier = first.get(value);
    if (value === undefined) return [];
    if (earlier !== undefined) {
      return [{ path: [section, index, field], message: `is already used by ${section}[${earlier}]` }];
    }
    first.set(value, index);
    return [];
  });
}

/**
 * Two buckets may have one name as long as no caller could mean either: their storages are of different projects.
 * Whoever does not sign has no project, so only one of them may be open to all.
 */
function repeatedBuckets({ buckets, storages }: Sections): ConfigIssue[] {
  const projectsOf = new Map(storages.map(({ name, projects }) => [name, projects]));
  const isSeenTogether = (one: Entry, other: Entry): boolean => {
    const [first, second] = [one, other].map(({ storage }) => projectsOf.get(storage));
    if (!Array.isArray(first) || !Array.isArray(second)) return true;
    return (
      (one.anonymous !== undefined && other.anonymous !== undefined) || first.some((name) => second.includes(name))
    );
  };
  const byName = new Map<unknown, number[]>();
  return buckets.flatMap((entry, index) => {
    if (entry.name === undefined) return [];
    const earlier = byName.get(entry.name) ?? [];
    byName.set(entry.name, [...earlier, index]);
    const clash = earlier.find((other) => isSeenTogether(entry, buckets[other] ?? {}));
    return clash === undefined
      ? []
      : [{ path: ['buckets', index, 'name'], message: `is already used by buckets[${clash}], for the same callers` }];
  });
}

function unknownStorages(sections: Sections): ConfigIssue[] {
  const known = new Set(sections.storages.map((storage) => storage.name));
  return (['credentials', 'buckets'] as const).flatMap((section) =>
    sections[section].flatMap(({ storage }, index) =>
      typeof storage !== 'string' || known.has(storage)
        ? []
        : [{ path: [section, index, 'storage'], message: `no storage is named ${storage}` }],
    ),
  );
}

function defaults(storages: readonly Entry[]): ConfigIssue[] {
  const marked = storages.flatMap((storage, index) => (storage.default === true ? [index] : []));
  return marked.slice(1).map((index) => ({
    path: ['storages', index, 'default'],
    message: `storages[${marked[0]}] is the default already`,
  }));
}

/** Without a bucket there is no object to ask for, and the health check would quietly be another. */
function sentinels(storages: readonly Entry[]): ConfigIssue[] {
  return storages.flatMap(({ sentinel, bucket }, index) =>
    sentinel === undefined || bucket !== undefined
      ? []
      : [
          {
            path: ['storages', index, 'sentinel'],
            message: 'needs the `bucket` of the storage, where it lies',
          },
        ],
  );
}

/** Fail closed: a gateway that nobody may use is a mistake, and never a reason to let everybody in. */
function callers({ credentials, buckets }: Sections): ConfigIssue[] {
  if (credentials.length > 0 || buckets.some((bucket) => bucket.anonymous !== undefined)) return [];
  return [{ path: ['credentials'], message: 'is empty: nobody could call. List at least one credential' }];
}

function proxies(list: unknown): ConfigIssue[] {
  return toArray(list).flatMap((entry, index) => {
    try {
      peerFilter([String(entry)]);
      return [];
    } catch {
      return [{ path: ['trustedProxies', index], message: `is not an address or CIDR range: ${entry}` }];
    }
  });
}

/** Where a bucket's cache rules come from. A rule set named like a preset would leave it open which one is meant. */
function ruleSets(buckets: readonly Entry[], own: Entry): ConfigIssue[] {
  const isPreset = (name: string) => name === 'off' || Object.hasOwn(PRESETS, name);
  const taken = Object.keys(own).filter(isPreset);
  return [
    ...taken.map((name) => ({ path: ['cache', 'ruleSets', name], message: 'is the name of a preset' })),
    ...buckets.flatMap(({ cache }, index) =>
      typeof cache !== 'string' || isPreset(cache) || Object.hasOwn(own, cache)
        ? []
        : [
            {
              path: ['buckets', index, 'cache'],
              message: `no rule set is named ${cache} (presets: ${Object.keys(PRESETS).join(', ')}, or off)`,
            },
          ],
    ),
  ];
}

/** Keeps every place, so that indexes still are those of the file. */
function entries(value: unknown): Entry[] {
  return toArray(value).map(toEntry);
}

function toArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function toEntry(value: unknown): Entry {
  return typeof value === 'object' && value !== null ? (value as Entry) : {};
}
