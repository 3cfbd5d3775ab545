import { readFileSync } from 'node:fs';
import { dialectOverrides } from './config/dialect-fields.ts';
import type { S3StorageConfig, StorageConfig } from './config/schema.ts';
import { retry } from './layers/retry.ts';
import type { Logger } from './observe/log.ts';
import { compose, type Handler } from './s3/message.ts';
import { openFilesystemStore } from './store/filesystem/store.ts';
import { serve } from './store/serve.ts';
import { resolveTarget } from './upstream/target.ts';

/** A configured storage, ready to be asked. */
export interface OpenStorage {
  readonly config: StorageConfig;
  /** Takes requests that name the storage's own buckets and keys. */
  readonly handler: Handler;
  /** Where it is, for people: a host or a folder. */
  readonly place: string;
  /** Keys with `.` and `..` segments. */
  readonly dotSegments: 'refuse' | 'allow';
  /** Requests under way must have ended. */
  close(): Promise<void>;
}

export interface StorageDependencies {
  readonly log: Logger;
  readonly now: () => Date;
}

/**
 * Opens the store or the connections that a storage's configuration names. Nothing is sent yet.
 * @throws Error when the folder cannot be used, or the CA file not be read
 */
export async function openStorage(config: StorageConfig, dependencies: StorageDependencies): Promise<OpenStorage> {
  return config.provider === 'filesystem' ? openFolder(config, dependencies) : openUpstream(config, dependencies);
}

async function openFolder(
  config: Extract<StorageConfig, { provider: 'filesystem' }>,
  { log, now }: StorageDependencies,
): Promise<OpenStorage> {
  const store = await openFilesystemStore({ path: config.path, now, log: log.child({ storage: config.name }) });
  return {
    config,
    handler: serve(store),
    place: config.path,
    // Keys are not file names here, so nothing could resolve them.
    dotSegments: 'allow',
    close: () => store.close(),
  };
}

async function openUpstream(config: S3StorageConfig, { log, now }: StorageDependencies): Promise<OpenStorage> {
  // Loaded when first wanted: the embedded store starts a third faster without the HTTP client and the signer.
  const [{ createTransport }, { forward }] = await Promise.all([
    import('./http/transport.ts'),
    import('./upstream/forward.ts'),
  ]);
  const target = resolveTarget(config, dialectOverrides(config));
  const transport = createTransport({
    connectTimeout: config.connectTimeout,
    idleTimeout: config.idleTimeout,
    ...(config.ca !== undefined && { ca: readFileSync(config.ca) }),
  });
  const handler = forward(target, { transport, now, log: log.child({ storage: config.name }) });
  return {
    config,
    handler: compose(handler, [retry({ retries: config.retries })]),
    place: `${config.protocol}://${config.endpoint}`,
    dotSegments: target.dialect.dotSegments,
    close: () => transport.close(),
  };
}
