import { createHash, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dialectOverrides } from './config/dialect-fields.ts';
import type { AzureStorageConfig, FilesystemStorageConfig, S3StorageConfig, StorageConfig } from './config/schema.ts';
import type { Transport, TransportOptions } from './http/transport.ts';
import { breaker } from './layers/breaker.ts';
import { retry } from './layers/retry.ts';
import type { Logger } from './observe/log.ts';
import { compose, type Handler } from './s3/message.ts';
import { openFilesystemStore } from './store/filesystem/store.ts';
import { serve } from './store/serve.ts';
import { resolveTarget } from './upstream/target.ts';

/** The way to a storage's bytes, without what only routing cares for: storages that differ in that share one. */
export interface Connection {
  /** Takes requests that name the storage's own buckets and keys. */
  readonly handler: Handler;
  /** Where it is, for people: a URL or a folder. */
  readonly place: string;
  /**
   * Binds upload ids and list tokens. Every gateway on the same storage has the same, through restarts and
   * changes of the configuration, so that uploads begun before go on.
   */
  readonly tokenKey: KeyObject;
  /** A folder is Sluice's alone. In an account that speaks no S3, uploads in parts are. A service may have other users. */
  readonly kind: 'folder' | 'account' | 'service';
  /** The clock by which it says when something began: its own where it has told, else ours. */
  readonly clock: () => Date;
  /** Requests under way must have ended. */
  close(): Promise<void>;
}

export interface ConnectionDependencies {
  readonly log: Logger;
  readonly now: () => Date;
}

/**
 * What a connection is known by: the settings it is made of, without those of routing. A file is known by what it holds,
 * so that a reload takes up a certificate that was renewed in its place.
 * @throws Error when the CA file cannot be read
 */
export function connectionKey(config: StorageConfig): string {
  if (config.provider === 'filesystem') return `filesystem ${config.path}`;
  return JSON.stringify({
    ...config,
    bucket: undefined,
    prefix: undefined,
    default: undefined,
    projects: undefined,
    sentinel: undefined,
    ca: config.ca === undefined ? undefined : readFileSync(config.ca, 'utf8'),
  });
}

/**
 * Opens the store or the pool of connections that a storage's configuration names. Nothing is sent yet.
 * @throws Error when the folder cannot be used, or the CA file not be read
 */
export async function openConnection(config: StorageConfig, dependencies: ConnectionDependencies): Promise<Connection> {
  switch (config.provider) {
    case 'filesystem':
      return openFolder(config, dependencies);
    case 'azure':
      return openAzure(config, dependencies);
    default:
      return openUpstream(config, dependencies);
  }
}

async function openFolder(config: FilesystemStorageConfig, { log, now }: ConnectionDependencies): Promise<Connection> {
  const store = await openFilesystemStore({ path: config.path, now, log: log.child({ storage: config.name }) });
  return {
    handler: serve(store),
    place: config.path,
    tokenKey: createSecretKey(keptSecret(join(config.path, 'token-key'))),
    kind: 'folder',
    clock: now,
    close: () => store.close(),
  };
}

async function openAzure(config: AzureStorageConfig, { log, now }: ConnectionDependencies): Promise<Connection> {
  const [{ createTransport }, { resolveAccount }, { openAzureStore }] = await Promise.all([
    import('./http/transport.ts'),
    import('./store/azure/account.ts'),
    import('./store/azure/store.ts'),
  ]);
  const account = resolveAccount(config);
  const transport = createTransport(transportOptions(config));
  const store = openAzureStore({
    account,
    transport,
    now,
    log: log.child({ storage: config.name }),
    retries: config.retries,
    ...(config.delivery !== 'proxy' && {
      delivery: { from: config.redirectFrom, expiry: config.redirectExpiry, policy: config.redirectPolicy },
    }),
  });
  const { credential, origin, basePath } = account;
  const secret = credential.kind === 'shared-key' ? credential.key.toString('base64') : credential.token;
  return {
    handler: serve(store),
    place: `${origin.protocol}://${origin.host}:${origin.port}${basePath}`,
    tokenKey: tokenKeyOf(config.tokenSecret ?? secret),
    kind: 'account',
    // What began when is written there by us.
    clock: now,
    close: () => store.close(),
  };
}

async function openUpstream(config: S3StorageConfig, { log, now }: ConnectionDependencies): Promise<Connection> {
  // Loaded when first wanted: the embedded store starts a third faster without the HTTP client and the signer.
  const [{ createTransport }, { forward }, { emulate }] = await Promise.all([
    import('./http/transport.ts'),
    import('./upstream/forward.ts'),
    import('./upstream/emulate.ts'),
  ]);
  const target = resolveTarget(config, dialectOverrides(config));
  const { transport, clock } = withClock(createTransport(transportOptions(config)), now);
  const handler = forward(target, { transport, now, log: log.child({ storage: config.name }) });
  return {
    handler: compose(handler, [
      ...emulate(target.dialect, { uploadPartSize: config.uploadPartSize, now }),
      retry({ retries: config.retries }),
      breaker(),
    ]),
    place: `${config.protocol}://${config.endpoint}`,
    tokenKey: tokenKeyOf(config.tokenSecret ?? config.secretKey),
    kind: 'service',
    clock,
    close: () => transport.close(),
  };
}

/** Hears what time it is at the other end, from each answer. */
function withClock(
  transport: Transport,
  now: () => Date,
): { readonly transport: Transport; readonly clock: () => Date } {
  let told: { readonly date: string; readonly at: number } | undefined;
  return {
    transport: {
      ...transport,
      async request(outgoing) {
        const response = await transport.request(outgoing);
        const date = response.headers.get('date');
        if (date !== undefined) told = { date, at: now().getTime() };
        return response;
      },
    },
    clock: () => {
      const theirs = Date.parse(told?.date ?? '');
      const ours = now();
      return told === undefined || Number.isNaN(theirs) ? ours : new Date(theirs + ours.getTime() - told.at);
    },
  };
}

/** How the servers of a storage are talked to. @throws Error when the CA file cannot be read */
export function transportOptions({
  connectTimeout,
  idleTimeout,
  ca,
}: S3StorageConfig | AzureStorageConfig): TransportOptions {
  return { connectTimeout, idleTimeout, ...(ca !== undefined && { ca: readFileSync(ca) }) };
}

function tokenKeyOf(secret: string): KeyObject {
  return createSecretKey(createHash('sha256').update(`sluice tokens ${secret}`).digest());
}

/** A secret of the folder's own, made once, for its owner only. */
function keptSecret(path: string): Buffer {
  try {
    writeFileSync(path, randomBytes(32).toString('hex'), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const secret = Buffer.from(readFileSync(path, 'utf8').trim(), 'hex');
  if (secret.length < 32) throw new Error(`${path} is damaged: remove it, and uploads begun before are lost`);
  return secret;
}
