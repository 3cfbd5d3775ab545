import { existsSync } from 'node:fs';
import { ConfigError } from './config-error.ts';
import { DEFAULT_DATA, embeddedConfig } from './embedded.ts';
import { loadConfig } from './load.ts';
import { type Config, configSchema } from './schema.ts';

export interface ConfigOptions {
  readonly config?: string;
  readonly data?: string;
  readonly listen?: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** A configuration, and the file it came from; undefined: the embedded default. */
export interface FoundConfig {
  readonly config: Config;
  readonly file: string | undefined;
}

/**
 * Finds and reads the configuration: `--config`, then `$SLUICE_CONFIG`, then `sluice.yaml` in the current folder, then
 * the embedded default. `--listen` goes over what the file says.
 * @throws ConfigError
 */
export function findConfig(options: ConfigOptions, env: Env): FoundConfig {
  const file = configFile(options, env);
  if (file !== undefined && options.data !== undefined) {
    throw new ConfigError([`--data is for the embedded store; ${file} says where the bytes are`]);
  }
  const config = file === undefined ? embeddedConfig(options.data ?? DEFAULT_DATA, env) : loadConfig(file, env);
  return { config: withListen(config, options.listen), file };
}

/** The file that `findConfig` would read; undefined when it would take the embedded default. */
export function configFile(options: ConfigOptions, env: Env): string | undefined {
  return options.config ?? (env.SLUICE_CONFIG || undefined) ?? (existsSync('sluice.yaml') ? 'sluice.yaml' : undefined);
}

function withListen(config: Config, listen: string | undefined): Config {
  if (listen === undefined) return config;
  const parsed = configSchema.shape.listen.safeParse(listen);
  if (!parsed.success) throw new ConfigError([`--listen ${listen}: ${parsed.error.issues[0]?.message}`]);
  return { ...config, listen: parsed.data };
}
