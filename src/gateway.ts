import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { type AdminServer, startAdmin } from './admin/server.ts';
import type { StorageSummary } from './admin/sources.ts';
import { authenticate } from './auth/authenticate.ts';
import { operateCache } from './cache-operator.ts';
import { Cleaner } from './cleanup/cleaner.ts';
import { adminListen, parseListen, urlHost } from './config/listen.ts';
import type { Config } from './config/schema.ts';
import { openConfiguredCache } from './configured-cache.ts';
import { cleanupPlan } from './configured-cleanup.ts';
import { Generation, type GenerationDependencies, type Storage } from './generation.ts';
import { type GatewayServer, startServer } from './http/server.ts';
import { createSpentMemory } from './http/spent-memory.ts';
import { watchUploads } from './layers/uploads-in-use.ts';
import { type Logger, logRequest } from './observe/log.ts';
import type { Metrics } from './observe/metrics.ts';
import { createProbe } from './probe.ts';
import { VERSION } from './version.ts';

export interface GatewayOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly now: () => Date;
  /** Collects young objects; undefined where node does not offer it. */
  readonly collect?: (() => void) | undefined;
  /** What the admin port wants to hear. */
  readonly adminToken: string;
}

/** A running gateway. */
export interface Gateway {
  /** Where S3 clients connect, such as `http://127.0.0.1:9000`. */
  readonly url: string;
  readonly adminUrl: string;
  /**
   * Takes a new configuration: requests under way keep the old one, the next request has the new one. It waits for
   * none of them, as a slow upload must not keep the next configuration out. Addresses listened on stay as they are.
   * When it fails the old configuration stays whole.
   */
  reload(config: Config): Promise<void>;
  /** Stops accepting, lets running requests finish within `drainSeconds`, releases everything. */
  close(): Promise<void>;
}

/**
 * Opens the storages, puts the layers together and listens.
 * @throws Error when a storage cannot be opened, a certificate not be read or an address not be listened on;
 * nothing is left running then
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { log, metrics, now } = options;
  const spend = createSpentMemory(options.collect);
  const cache = openConfiguredCache({ log, now, onFetched: spend });
  const uploads = watchUploads();
  const dependencies: GenerationDependencies = { log, now, authenticate, cache: cache.of, uploads };
  let current = await Generation.open(options.config, dependencies);
  const { config } = options;
  /** The generations before, while their last requests are under way. */
  const retiring = new Map<Generation, Promise<void>>();
  const retire = (old: Generation): void => {
    const failed = (error: unknown) => log.error({ err: error }, 'a storage of the old configuration does not close');
    retiring.set(
      old,
      old
        .retire()
        .catch(failed)
        .finally(() => retiring.delete(old)),
    );
  };
  const closing = new AbortController();
  const cleaner = new Cleaner({ log, now, isInUse: uploads.has });
  metrics.readCleanup(() => (cleaner.state() === undefined ? undefined : cleaner.figures()));
  metrics.readCache(() => {
    const opened = cache.current();
    return opened && { usage: opened.usage(), stats: opened.stats() };
  });
  let server: GatewayServer | undefined;
  let admin: AdminServer | undefined;
  const close = async () => {
    closing.abort();
    await Promise.all([cleaner.follow(undefined), server?.close(current.config.drainSeconds * 1000)]);
    await admin?.close();
    await cache.close();
    await Promise.all([current.retire(), ...retiring.values()]);
  };
  try {
    const listen = parseListen(config.listen);
    server = await startServer({
      ...listen,
      ...(config.tls && { tls: readTls(config.tls) }),
      spend,
      settings: () => current.settings,
      onRequest: (record) => {
        logRequest(log, record);
        metrics.observe(record);
      },
    });
    const url = `${config.tls ? 'https' : 'http'}://${urlHost(listen.host)}:${server.port}`;
    admin = await startAdmin(
      {
        ...adminListen(config),
        token: options.adminToken,
        onFailure: (error) => log.error({ err: error }, 'admin request failed'),
      },
      {
        version: VERSION,
        endpoint: url,
        storages: () => current.storages.map(summarise),
        probe: createProbe(() => current.storages),
        metrics: () => metrics.render(),
        cache: operateCache({ cache: cache.current, generation: () => current, log, signal: closing.signal }),
        cleanup: cleaner,
      },
    );
    await cleaner.follow(cleanupPlan(current));
    const { setTls } = server;
    return {
      url,
      adminUrl: admin.url,
      reload: async (next) => {
        const tls = next.tls && readTls(next.tls);
        const opened = await Generation.open(next, dependencies, [current, ...retiring.keys()]);
        cache.adjust(next);
        const old = current;
        current = opened;
        if (tls) setTls(tls);
        await cleaner.follow(cleanupPlan(opened));
        retire(old);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function summarise({ config, connection }: Storage): StorageSummary {
  return { name: config.name, provider: config.provider, place: connection.place, isDefault: config.default };
}

/** Reads both files and tries them: past this point a reload may no longer fail. @throws Error */
function readTls(tls: { readonly cert: string; readonly key: string }) {
  const read = { cert: readFileSync(tls.cert, 'utf8'), key: readFileSync(tls.key, 'utf8') };
  createSecureContext(read);
  return read;
}
