import { randomBytes } from 'node:crypto';
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import { type ConfigOptions, findConfig } from '../config/find.ts';
import type { Config } from '../config/schema.ts';
import { type Gateway, startGateway } from '../gateway.ts';
import { type Logger, openLog } from '../observe/log.ts';
import { createMetrics } from '../observe/metrics.ts';
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
  const log = await openLog(config.log);
  const adminToken = config.admin.token ?? randomBytes(18).toString('base64url');
  const gateway = await startGateway({
    config,
    log,
    metrics: createMetrics(VERSION),
    now: () => new Date(),
    adminToken,
  });
  process.stdout.write(banner({ gateway, config, isEmbedded: file === undefined, adminToken }));
  const reload = () => {
    void reloadFrom({ gateway, options, env, log });
  };
  const unwatch = file === undefined ? () => {} : watchFile(file, reload);
  process.on('SIGHUP', reload);
  const signal = await stopped;
  unwatch();
  log.info({ signal }, 'draining');
  void nextStop().then(() => process.exit(1));
  await gateway.close();
  log.info('stopped');
  log.flush();
  // Nothing is left to do; a timer of a library must not keep the process.
  process.exit(0);
}

interface ReloadContext {
  readonly gateway: Gateway;
  readonly options: ConfigOptions;
  readonly env: Env;
  readonly log: Logger;
}

/** A broken file is refused with its errors; the old configuration stays. */
async function reloadFrom({ gateway, options, env, log }: ReloadContext): Promise<void> {
  try {
    await gateway.reload(findConfig(options, env).config);
    log.info('configuration reloaded');
  } catch (error) {
    if (error instanceof ConfigError)
      log.error({ problems: error.problems }, 'configuration refused, the old one stays');
    else log.error({ err: error }, 'configuration refused, the old one stays');
  }
}

/** Watches the folder: editors and orchestrators replace the file, and a watch on the file would follow the old one. */
function watchFile(file: string, onChange: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(dirname(file), (_event, name) => {
    // Kubernetes swaps the symbolic link `..data` beside the file.
    if (name !== null && name !== basename(file) && name !== '..data') return;
    clearTimeout(timer);
    timer = setTimeout(onChange, SETTLE_MS);
  });
  return () => {
    clearTimeout(timer);
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
  return storage.provider === 'filesystem'
    ? `files in ${storage.path}`
    : `${storage.provider} at ${storage.protocol}://${storage.endpoint}`;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
