import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError } from './config-error.ts';
import { newCredential } from './credential.ts';
import { type Config, configSchema } from './schema.ts';

export const DEFAULT_DATA = './sluice-data';

const CREDENTIAL_FILE = 'credential.json';
const credentialSchema = z.strictObject({ accessKey: z.string().min(3), secretKey: z.string().min(8) });

/**
 * The configuration used where there is no file: one filesystem store and one credential, from the environment
 * (`SLUICE_ACCESS_KEY`, `SLUICE_SECRET_KEY`), else kept in the data folder, where it is made once (mode 0600).
 * @throws ConfigError when only half of the pair is given, or the kept one cannot be read
 */
export function embeddedConfig(dataFolder: string, env: Readonly<Record<string, string | undefined>>): Config {
  const { SLUICE_ACCESS_KEY: accessKey, SLUICE_SECRET_KEY: secretKey } = env;
  if ((accessKey === undefined) !== (secretKey === undefined)) {
    throw new ConfigError(['SLUICE_ACCESS_KEY and SLUICE_SECRET_KEY go together: one of them is not set']);
  }
  const credential =
    accessKey === undefined || secretKey === undefined ? keptCredential(dataFolder) : { accessKey, secretKey };
  const parsed = configSchema.safeParse({
    credentials: [{ name: 'local', ...credential }],
    storages: [{ name: 'local', provider: 'filesystem', path: dataFolder, default: true }],
    log: { format: process.stderr.isTTY === true ? 'pretty' : 'json' },
    ...(env.SLUICE_ADMIN_TOKEN !== undefined && { admin: { token: env.SLUICE_ADMIN_TOKEN } }),
  });
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    parsed.error.issues.map((issue) => `${ORIGIN[String(issue.path.at(-1))] ?? 'data folder'}: ${issue.message}`),
  );
}

const ORIGIN: Readonly<Record<string, string>> = {
  accessKey: 'SLUICE_ACCESS_KEY',
  secretKey: 'SLUICE_SECRET_KEY',
  token: 'SLUICE_ADMIN_TOKEN',
};

function keptCredential(dataFolder: string): z.output<typeof credentialSchema> {
  const path = join(dataFolder, CREDENTIAL_FILE);
  try {
    // Made absolute first: node never comes back where the current folder is gone (test/regress/gone-folder.test.ts).
    mkdirSync(resolve(dataFolder), { recursive: true, mode: 0o700 });
    // `wx`: of two gateways starting at once one makes it, and both then read the same.
    writeFileSync(path, `${JSON.stringify(newCredential(), null, 2)}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!isExisting(error)) throw new ConfigError([`${path}: cannot be written: ${String(error)}`]);
  }
  try {
    chmodSync(path, 0o600);
    return credentialSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new ConfigError([
      `${path}: cannot be read: ${error instanceof SyntaxError ? 'it is not JSON' : String(error)}`,
    ]);
  }
}

function isExisting(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST';
}
