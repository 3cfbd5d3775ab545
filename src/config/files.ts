import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ConfigError } from './config-error.ts';
import type { Config } from './schema.ts';

/**
 * Tries the files that a configuration names and only a running gateway reads: certificates and keys. Other commands do
 * without them, and may not be allowed to read a key.
 * @param label names the configuration in messages
 * @throws ConfigError with all that cannot be used
 */
export function checkFiles({ tls, storages }: Config, label: string): void {
  const problems: string[] = [];
  const read = (path: string, file: string): string | undefined => {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      problems.push(`${label}: ${path}: ${file} cannot be read: ${reasonOf(error)}`);
      return undefined;
    }
  };
  const attempt = (path: string, options: Parameters<typeof createSecureContext>[0]): void => {
    try {
      createSecureContext(options);
    } catch (error) {
      problems.push(`${label}: ${path}: cannot be used: ${reasonOf(error)}`);
    }
  };
  if (tls !== undefined) {
    const [cert, key] = [read('tls.cert', tls.cert), read('tls.key', tls.key)];
    if (cert !== undefined && key !== undefined) attempt('tls', { cert, key });
  }
  for (const [index, storage] of storages.entries()) {
    if (storage.provider === 'filesystem' || storage.ca === undefined) continue;
    const path = `storages[${index}].ca`;
    const ca = read(path, storage.ca);
    if (ca !== undefined) attempt(path, { ca });
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
