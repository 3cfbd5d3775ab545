import { createHash, createSecretKey } from 'node:crypto';
import type { authenticate } from './auth/authenticate.ts';
import type { Config, StorageConfig } from './config/schema.ts';
import { peerFilter } from './http/peer-filter.ts';
import type { ServerSettings } from './http/server.ts';
import type { Logger } from './observe/log.ts';
import { buildCatalog } from './route/catalog.ts';
import { route } from './route/router.ts';
import { compose, type Handler, type Layer } from './s3/message.ts';
import { type OpenStorage, openStorage } from './storage.ts';

export interface GenerationDependencies {
  readonly log: Logger;
  readonly now: () => Date;
  readonly authenticate: typeof authenticate;
}

/**
 * One configuration at work: its storages, its credentials, its handler. A reload opens the next generation, which
 * takes over the storages that did not change; the old one lives on until its last request has ended.
 */
export class Generation {
  readonly config: Config;
  readonly storages: readonly OpenStorage[];
  readonly settings: ServerSettings;
  readonly #shared: readonly SharedStorage[];
  #active = 0;
  #onIdle: (() => void) | undefined;

  private constructor(config: Config, shared: readonly SharedStorage[], dependencies: GenerationDependencies) {
    this.config = config;
    this.#shared = shared;
    this.storages = shared.map(({ storage }) => storage);
    this.settings = {
      handler: compose(routeOf(config, this.storages, dependencies), [
        this.#count(),
        authenticateBy(config, dependencies),
      ]),
      domains: config.domains.map((domain) => domain.replace(/:\d+$/, '').toLowerCase()),
      isTrustedProxy: peerFilter(config.trustedProxies),
    };
  }

  /**
   * @param previous whose storages are shared where their configuration is the same
   * @throws Error when a storage cannot be opened; those opened for this generation are closed again
   */
  static async open(
    config: Config,
    dependencies: GenerationDependencies,
    previous: Generation | undefined,
  ): Promise<Generation> {
    const shared: SharedStorage[] = [];
    try {
      for (const storageConfig of config.storages) {
        const kept = previous?.sharedFor(storageConfig);
        if (kept) kept.hold();
        shared.push(kept ?? new SharedStorage(await openStorage(storageConfig, dependencies)));
      }
      return new Generation(config, shared, dependencies);
    } catch (error) {
      await Promise.all(shared.map((item) => item.release()));
      throw error;
    }
  }

  /** The open storage of exactly this configuration, to be shared with the next generation. */
  sharedFor(config: StorageConfig): SharedStorage | undefined {
    return this.#shared.find((item) => item.isFor(config));
  }

  /** Waits for the requests under way, then lets go of the storages. Nothing new may be given to it. */
  async retire(): Promise<void> {
    if (this.#active > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await Promise.all(this.#shared.map((item) => item.release()));
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

/** A storage and how many generations use it. */
class SharedStorage {
  readonly storage: OpenStorage;
  #holders = 1;

  constructor(storage: OpenStorage) {
    this.storage = storage;
  }

  /** What a storage is asked for by name or project may change under it; where and as whom it connects may not. */
  isFor(config: StorageConfig): boolean {
    return JSON.stringify(config) === JSON.stringify(this.storage.config);
  }

  hold(): void {
    this.#holders++;
  }

  async release(): Promise<void> {
    this.#holders--;
    if (this.#holders === 0) await this.storage.close();
  }
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

function routeOf(config: Config, storages: readonly OpenStorage[], { now }: GenerationDependencies): Handler {
  const catalog = buildCatalog({
    credentials: config.credentials,
    buckets: config.buckets,
    storages: storages.map(({ config: storage, handler, dotSegments }) => ({ ...storage, handler, dotSegments })),
  });
  return route(catalog, { now, tokenKey: tokenKeyOf(config) });
}

/**
 * Binds upload ids and list tokens to their tenant. Derived from what is configured, so that they stay valid
 * through a restart; it changes with the gateway's own secrets, never with a vendor's.
 */
function tokenKeyOf(config: Config) {
  const secrets = config.credentials.map(({ accessKey, secretKey }) => `${accessKey}:${secretKey}`).sort();
  return createSecretKey(
    createHash('sha256')
      .update(`sluice tokens\n${secrets.join('\n')}`)
      .digest(),
  );
}
