import { randomBytes } from 'node:crypto';
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import { checkFiles } from '../config/files.ts';
import { type ConfigOptions, findConfig } from '../config/find.ts';
import { parseListen } from '../config/listen.ts';
import type { Config } from '../config/schema.ts';
import { type Gateway, startGateway } from '../gateway.ts';
import { openLog } from '../observe/log.ts';
import { createMetrics } from '../observe/metrics.ts';
import { resolveAccount } from '../store/azure/account.ts';
import { VERSION } from '../version.ts';
import { renderEnv } from './env.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Editors write a file in several steps; the last change counts once none came for this long. */
const SETTLE_MS = 200;

/**
 * Runs the gateway until it is told to stop. SIGTERM and SIGINT drain, a second one cuts at once; SIGHUP or a
 * changed file reloads.
 * @throws ConfigError, or what kept it from starting
 */
export async function serve(options: ConfigOptions, env: Env): Promise<void> {
  // Asked for before anything starts, so that a signal finds a handler at every moment.
  const stopped = nextStop();
  const { config, file } = findConfig(options, env);
  checkFiles(config, file ?? 'embedded default');
  const log = await openLog(config.log);
  const adminToken = config.admin.token ?? randomBytes(18).toString('base64url');
  const gateway = await startGateway({
    config,
    log,
    metrics: createMetrics(VERSION),
    now: () => new Date(),
    collect: youngCollector(globalThis.gc),
    adminToken,
  });
  if (isInTheClear(config)) {
    log.warn(
      'other machines reach this port without TLS: who listens on the way can read, and change what is not signed',
    );
  }
  const unwatch = file === undefined ? () => {} : reloadOnChange(file, () => reload({ ...options, config: file }));
  process.stdout.write(banner({ gateway, config, isEmbedded: file === undefined, adminToken }));
  const signal = await stopped;
  unwatch();
  log.info({ signal }, 'draining');
  void nextStop().then(() => process.exit(1));
  await gateway.close();
  log.info('stopped');
  log.flush();
  // Nothing is left to do; a timer of a library must not keep the process.
  process.exit(0);

  /** A broken file is refused with its errors; the old configuration stays. */
  async function reload(from: ConfigOptions): Promise<void> {
    try {
      const next = findConfig(from, env);
      checkFiles(next.config, next.file ?? 'embedded default');
      await gateway.reload(next.config);
      log.info('configuration reloaded');
    } catch (error) {
      const why = error instanceof ConfigError ? { problems: error.problems } : { err: error };
      log.error(why, 'configuration refused, the old one stays');
    }
  }
}

/** Collects young objects alone; undefined where node was started without `--expose-gc`. */
function youngCollector(gc: typeof globalThis.gc): (() => void) | undefined {
  return gc && (() => gc({ type: 'minor' }));
}

/** Whether requests may come from other machines as they are. Behind a trusted proxy, it is the proxy that has TLS. */
function isInTheClear({ listen, tls, trustedProxies }: Config): boolean {
  const { host } = parseListen(listen);
  const isLocal = host === 'localhost' || host === '::1' || host.startsWith('127.');
  return tls === undefined && trustedProxies.length === 0 && !isLocal;
}

/**
 * Reloads on SIGHUP and when the file changes, one reload after the other, until the returned function is called.
 * Watches the folder: editors and orchestrators replace the file, and a watch on the file would follow the old one.
 */
function reloadOnChange(file: string, reload: () => Promise<void>): () => void {
  let timer: NodeJS.Timeout | undefined;
  let last = Promise.resolve();
  const onChange = () => {
    last = last.then(reload);
  };
  const watcher = watch(dirname(file), (_event, name) => {
    // Kubernetes swaps the symbolic link `..data` beside the file.
    if (name !== null && name !== basename(file) && name !== '..data') return;
    clearTimeout(timer);
    timer = setTimeout(onChange, SETTLE_MS);
  });
  process.on('SIGHUP', onChange);
  return () => {
    clearTimeout(timer);
    process.off('SIGHUP', onChange);
    watcher.close();
  };
}

async function nextStop(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}

interface BannerContext {
  readonly gateway: Gateway;
  readonly config: Config;
  readonly isEmbedded: boolean;
  readonly adminToken: string;
}

function banner({ gateway, config, isEmbedded, adminToken }: BannerContext): string {
  const [credential] = config.credentials;
  const access =
    isEmbedded && credential
      ? `\nPoint any S3 client at it:\n\n${indent(renderEnv({ endpoint: gateway.url, ...credential }, 'sh'))}\n`
      : '\n`sluice env` prints what points an S3 client at it.\n';
  // A configured token is the operator's secret and is not repeated.
  const adminUrl = config.admin.token === undefined ? `${gateway.adminUrl}/?token=${adminToken}` : gateway.adminUrl;
  return `Sluice ${VERSION} listens on ${gateway.url}
${config.storages.map((storage) => `  ${storage.name}: ${placeOf(storage)}\n`).join('')}${access}
For example:

  aws --endpoint-url ${gateway.url} s3 mb s3://my-bucket

Admin page: ${adminUrl}
`;
}

function placeOf(storage: Config['storages'][number]): string {
  if (storage.provider === 'filesystem') return `files in ${storage.path}`;
  if (storage.provider !== 'azure') return `${storage.provider} at ${storage.protocol}://${storage.endpoint}`;
  const { name, origin } = resolveAccount(storage);
  return `azure account ${name} at ${origin.protocol}://${origin.host}:${origin.port}`;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
