import type { authenticate } from './auth/authenticate.ts';
import type { Cache } from './cache/cache.ts';
import type { Config, StorageConfig } from './config/schema.ts';
import { cacheRules } from './configured-cache.ts';
import { peerFilter } from './http/peer-filter.ts';
import type { ServerSettings } from './http/server.ts';
import { ifRange } from './layers/if-range.ts';
import type { UploadsInUse } from './layers/uploads-in-use.ts';
import type { Logger } from './observe/log.ts';
import { buildCatalog, type Credential, type Target } from './route/catalog.ts';
import { route } from './route/router.ts';
import type { CopySource } from './s3/copy-source.ts';
import { compose, type Handler, type Layer } from './s3/message.ts';
import { type Connection, connectionKey, openConnection } from './storage.ts';

export interface GenerationDependencies {
  readonly log: Logger;
  readonly now: () => Date;
  readonly authenticate: typeof authenticate;
  /** The cache, which outlives generations; undefined when no bucket of the configuration wants one and none did so far. */
  readonly cache: (config: Config) => Promise<Cache | undefined>;
  /** Hears of the uploads that clients are at work on, where somebody wants to know. */
  readonly uploads?: UploadsInUse;
}

/** A configured storage with the way to it. */
export interface Storage {
  readonly config: StorageConfig;
  readonly connection: Connection;
}

/**
 * One configuration at work: its storages, its credentials, its handler. A reload opens the next generation, which
 * takes over the connections that did not change; the old one lives on until its last request has ended.
 */
export class Generation {
  readonly config: Config;
  readonly storages: readonly Storage[];
  readonly settings: ServerSettings;
  /** Answers whatever `OPERATOR` asks for, in clients' names: for what the gateway does by itself. */
  readonly operator: Handler;
  readonly #connections: ReadonlyMap<string, SharedConnection>;
  #active = 0;
  #onIdle: (() => void) | undefined;

  private constructor(
    config: Config,
    { storages, connections }: Opened,
    dependencies: GenerationDependencies,
    cache: Cache | undefined,
  ) {
    this.config = config;
    this.#connections = connections;
    this.storages = storages;
    const layers = [this.#count(), authenticateBy(config, dependencies)];
    const everybodys = this.storages.map((storage) => ({
      ...storage,
      config: { ...storage.config, projects: 'all' as const },
    }));
    const operated = { config: { ...config, credentials: [OPERATOR] }, storages: everybodys };
    this.operator = compose(routeOf(operated, dependencies, cache), [this.#count()]);
    this.settings = {
      handler: compose(routeOf(this, dependencies, cache), layers),
      domains: config.domains.map((domain) => domain.replace(/:\d+$/, '').toLowerCase()),
      isTrustedProxy: peerFilter(config.trustedProxies),
    };
  }

  /**
   * @param living whose connections are shared where their settings are the same: also those of generations that wait
   * for their last requests, as a folder is not to be opened twice
   * @throws Error when a storage cannot be opened; those opened for this generation are closed again
   */
  static async open(
    config: Config,
    dependencies: GenerationDependencies,
    living: Iterable<Generation> = [],
  ): Promise<Generation> {
    const connections = new Map<string, SharedConnection>();
    const storages: Storage[] = [];
    const cache = await dependencies.cache(config);
    try {
      for (const storage of config.storages) {
        const key = connectionKey(storage);
        const held = connections.get(key);
        const kept = held === undefined ? sharedBy(living, key) : undefined;
        kept?.hold();
        const shared = held ?? kept ?? new SharedConnection(await openConnection(storage, dependencies));
        connections.set(key, shared);
        storages.push({ config: storage, connection: shared.connection });
      }
      return new Generation(config, { storages, connections }, dependencies, cache);
    } catch (error) {
      await releaseAll(connections);
      throw error;
    }
  }

  /** The open connection made of exactly these settings. */
  shared(key: string): SharedConnection | undefined {
    const shared = this.#connections.get(key);
    return shared?.isOpen === true ? shared : undefined;
  }

  /** Waits for the requests under way, then lets go of the connections. Nothing new may be given to it. */
  async retire(): Promise<void> {
    if (this.#active > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await releaseAll(this.#connections);
  }

  /** A request is under way until its answer's body has been read or dropped. */
  #count(): Layer {
    return (next) => async (request) => {
      this.#active++;
      const done = () => {
        this.#active--;
        if (this.#active === 0) this.#onIdle?.();
      };
      try {
        const response = await next(request);
        if (response.body === null || response.body instanceof Uint8Array || response.body.closed) done();
        else response.body.once('close', done);
        return response;
      } catch (error) {
        done();
        throw error;
      }
    };
  }
}

/** What a generation has opened, or shares. */
interface Opened {
  readonly storages: readonly Storage[];
  readonly connections: ReadonlyMap<string, SharedConnection>;
}

/** A connection and how many generations use it. */
class SharedConnection {
  readonly connection: Connection;
  #holders = 1;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Once let go of by all, it is closed and stays so. */
  get isOpen(): boolean {
    return this.#holders > 0;
  }

  hold(): void {
    this.#holders++;
  }

  async release(): Promise<void> {
    this.#holders--;
    if (this.#holders === 0) await this.connection.close();
  }
}

function sharedBy(generations: Iterable<Generation>, key: string): SharedConnection | undefined {
  for (const generation of generations) {
    const shared = generation.shared(key);
    if (shared !== undefined) return shared;
  }
  return undefined;
}

async function releaseAll(connections: ReadonlyMap<string, SharedConnection>): Promise<void> {
  await Promise.all([...connections.values()].map((shared) => shared.release()));
}

function authenticateBy(config: Config, dependencies: GenerationDependencies): Layer {
  const credentials = new Map(config.credentials.map((credential) => [credential.accessKey, credential]));
  const anonymous = new Set(config.buckets.filter((bucket) => bucket.anonymous).map((bucket) => bucket.name));
  return dependencies.authenticate({
    credentials: (accessKey) => credentials.get(accessKey),
    domains: config.domains,
    now: dependencies.now,
    allowAnonymous: ({ bucket }) => bucket !== undefined && anonymous.has(bucket),
  });
}

interface Routed {
  readonly config: Omit<Config, 'credentials'> & { readonly credentials: readonly Credential[] };
  readonly storages: readonly Storage[];
}

/** The gateway itself. It reaches everything, and nobody can sign as it: it is no credential of the verifier. */
export const OPERATOR: Credential = { name: 'operator', accessKey: 'operator' };

function routeOf(
  { config, storages }: Routed,
  { log, now, uploads }: GenerationDependencies,
  cache: Cache | undefined,
): Handler {
  const catalog = buildCatalog({
    credentials: config.credentials,
    buckets: config.buckets,
    storages: storages.map(({ config: storage, connection }) => ({
      ...storage,
      handler: compose(connection.handler, [
        ifRange(),
        ...(uploads === undefined ? [] : [uploads.layer(connection.place)]),
      ]),
      tokenKey: connection.tokenKey,
    })),
  });
  const layersFor = cache && cacheLayers(cache, config, storages);
  return route(catalog, { log, now, created: now(), ...(layersFor && { layersFor }) });
}

/** Also a bucket that is not cached gets a layer: what is written there may be cached under another name. */
function cacheLayers(
  cache: Cache,
  config: Pick<Config, 'cache'>,
  storages: readonly Storage[],
): (target: Target, source?: CopySource) => readonly Layer[] {
  const rules = cacheRules(config);
  const places = new Map(storages.map(({ config: { name }, connection }) => [name, connection.place]));
  const parts = new Map(storages.map(({ config: storage }) => [storage.name, partBytesOf(storage)]));
  const there = Map.groupBy(places.keys(), (name) => places.get(name));
  const made = new WeakMap<Target, readonly Layer[]>();
  const make = ({ storage, bucket, prefix, clientBucket, cache: ruleSet }: Target, source?: CopySource) => {
    const place = places.get(storage) ?? '';
    const storagesThere = there.get(place) ?? [];
    const own = ruleSet === undefined ? undefined : rules.get(ruleSet);
    // The cache holds what is current: an older version is not what it knows.
    const copied = source?.versionId === undefined ? source : undefined;
    const partBytes = parts.get(storage) ?? FOLDER_PART;
    return [
      cache.layer({ storage, place, bucket, prefix, clientBucket, rules: own, partBytes, copied, storagesThere }),
    ];
  };
  return (target, source) => {
    if (source !== undefined) return make(target, source);
    const layers = made.get(target) ?? make(target);
    made.set(target, layers);
    return layers;
  };
}

/** A folder is no faster for being read in pieces. */
const FOLDER_PART = 2 ** 30;

function partBytesOf(config: StorageConfig): number {
  return config.provider === 'filesystem' ? FOLDER_PART : config.downloadPartSize;
}
