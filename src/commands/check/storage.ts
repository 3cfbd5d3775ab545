import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { dialectOverrides } from '../../config/dialect-fields.ts';
import type { S3StorageConfig, StorageConfig } from '../../config/schema.ts';
import { createTransport } from '../../http/transport.ts';
import { type Connection, openConnection, transportOptions } from '../../storage.ts';
import { type Dialect, mergeDialect } from '../../upstream/dialect.ts';
import { forward } from '../../upstream/forward.ts';
import { resolveTarget } from '../../upstream/target.ts';
import { tryAccount } from './account.ts';
import { type Ask, askOf, codeOf, reasonOf, textIn } from './ask.ts';
import { tryBasics, tryConditions, tryReaching } from './basics.ts';
import { tryDialect } from './dialect-probes.ts';
import type { Finding, StorageReport } from './finding.ts';

export interface CheckSettings {
  /** The bucket to try in, where the storage names none. */
  readonly bucket: string | undefined;
  readonly now: () => Date;
}

const silent = pino({ level: 'silent' });

/**
 * Tries a storage live. What it makes has a key of its own, under the storage's prefix, and is removed again. A folder
 * without a bucket gets one for the time being; another storage without one is only reached and signed for.
 */
export async function checkStorage(config: StorageConfig, settings: CheckSettings): Promise<StorageReport> {
  const { name, provider, default: isDefault } = config;
  const report = (place: string, findings: readonly Finding[]): StorageReport => {
    const isUsable = findings.every(({ state }) => state !== 'failed');
    return { name, provider, isDefault, place, isUsable, findings };
  };
  let connection: Connection;
  try {
    connection = await openConnection(config, { log: silent, now: settings.now });
  } catch (error) {
    return report('', [{ capability: 'open', state: 'failed', note: reasonOf(error) }]);
  }
  try {
    return report(connection.place, await tryConnection(config, connection, settings));
  } finally {
    await connection.close();
  }
}

async function tryConnection(
  config: StorageConfig,
  { handler }: Connection,
  settings: CheckSettings,
): Promise<Finding[]> {
  const bucket = config.bucket ?? settings.bucket;
  if (config.provider === 'filesystem' && bucket === undefined) {
    const ask = askOf(handler, `sluice-check-${randomBytes(6).toString('hex')}`);
    await ask({ method: 'PUT' });
    try {
      return await tryBucket(config, ask);
    } finally {
      await ask({ method: 'DELETE' });
    }
  }
  const ask = askOf(handler, bucket);
  const service =
    config.provider === 'filesystem' || config.provider === 'azure' ? undefined : openService(config, settings.now);
  const account = config.provider === 'azure' ? await tryAccount(config, { bucket, now: settings.now }) : undefined;
  try {
    const isTls = config.provider !== 'filesystem' && config.protocol === 'https';
    // The service itself is asked, for its clock; what keeps its clock to itself is asked through its store.
    const first = service?.raw({}, bucket) ?? ask;
    const reached = await tryReaching(first, {
      bucket,
      isTls,
      date: () => service?.date() ?? account?.date,
      now: settings.now,
    });
    if (reached.some(({ state }) => state === 'failed')) return reached;
    if (account !== undefined) reached.push(...account.findings);
    if (bucket === undefined) {
      return [
        ...reached,
        { capability: 'everything else', state: 'skipped', note: 'no bucket: try again with --bucket NAME' },
      ];
    }
    return [
      ...reached,
      ...(await tryBucket(config, ask, service && ((fields) => service.raw(fields, bucket)), service?.dialect)),
    ];
  } finally {
    await service?.close();
  }
}

async function tryBucket(
  config: StorageConfig,
  ask: Ask,
  raw?: (fields: Partial<Dialect>) => Ask,
  dialect?: Dialect,
): Promise<Finding[]> {
  const folder = `${config.prefix}sluice-check-${randomBytes(6).toString('hex')}/`;
  const key = `${folder}object`;
  try {
    const basics = await tryBasics(ask, key);
    if (basics.some(({ state }) => state === 'failed')) return basics;
    if (raw === undefined || dialect === undefined) return [...basics, await tryConditions(ask, key)];
    for (const name of [key, `${key}-two`]) await ask({ method: 'PUT', key: name, body: 'x' });
    return [...basics, ...(await tryDialect({ dialect, key, ask, raw }))];
  } finally {
    await removeAll(ask, folder);
  }
}

/** Removes whatever stands under a folder; what cannot be removed stays, and is named by its folder. */
async function removeAll(ask: Ask, folder: string): Promise<void> {
  const listed = await ask({
    method: 'GET',
    query: `list-type=2&encoding-type=url&prefix=${encodeURIComponent(folder)}`,
  }).then(
    ({ text }) => text,
    () => '',
  );
  for (const [, name = ''] of listed.matchAll(/<Key>([^<]*)</g)) {
    await codeOf(ask({ method: 'DELETE', key: decodeURIComponent(name.replaceAll('+', ' ')) }));
  }
  const uploads = await ask({
    method: 'GET',
    query: `uploads&encoding-type=url&prefix=${encodeURIComponent(folder)}`,
  }).then(
    ({ text }) => text,
    () => '',
  );
  for (const upload of uploads.split('<Upload>').slice(1)) {
    const key = decodeURIComponent((textIn(upload, 'Key') ?? '').replaceAll('+', ' '));
    const uploadId = encodeURIComponent(textIn(upload, 'UploadId') ?? '');
    await codeOf(ask({ method: 'DELETE', key, query: `uploadId=${uploadId}` }));
  }
}

/** An S3 service without what Sluice does in its stead. */
interface Service {
  readonly dialect: Dialect;
  readonly raw: (fields: Partial<Dialect>, bucket: string | undefined) => Ask;
  /** Its clock, as it told it last. */
  readonly date: () => string | undefined;
  close(): Promise<void>;
}

function openService(config: S3StorageConfig, now: () => Date): Service {
  const transport = createTransport(transportOptions(config));
  const target = resolveTarget(config, dialectOverrides(config));
  const { dialect } = target;
  let date: string | undefined;
  const watched: typeof transport = {
    ...transport,
    async request(outgoing) {
      const response = await transport.request(outgoing);
      date = response.headers.get('date');
      return response;
    },
  };
  return {
    dialect,
    raw(fields, bucket) {
      const changed = { ...target, dialect: mergeDialect(dialect, fields) };
      const handler = forward(changed, { transport: watched, now, log: silent });
      return askOf(handler, bucket === undefined ? undefined : `${bucket}${dialect.bucketSuffix}`);
    },
    date: () => date,
    close: () => transport.close(),
  };
}
