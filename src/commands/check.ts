import { ConfigError } from '../config/config-error.ts';
import { type ConfigOptions, configFile, findConfig } from '../config/find.ts';
import type { Config } from '../config/schema.ts';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Checks the configuration and prints what was found. Opens and starts nothing.
 * @throws ConfigError with every mistake
 */
export function check(options: ConfigOptions & { readonly json?: true }, env: Env): void {
  const file = configFile(options, env);
  if (options.json !== true) {
    const { config } = findConfig(options, env);
    process.stdout.write(`${file ?? 'embedded default'}: valid\n${summary(config)}`);
    return;
  }
  try {
    const { config } = findConfig(options, env);
    process.stdout.write(
      `${JSON.stringify({ file, valid: true, problems: [], storages: storagesOf(config) }, null, 2)}\n`,
    );
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stdout.write(`${JSON.stringify({ file, valid: false, problems: error.problems }, null, 2)}\n`);
    process.exitCode = 2;
  }
}

function summary(config: Config): string {
  const storages = storagesOf(config).map(
    ({ name, provider, isDefault }) => `  storage ${name}: ${provider}${isDefault ? ', default' : ''}\n`,
  );
  const buckets = config.buckets.map(({ name, storage }) => `  bucket ${name}: on ${storage}\n`);
  const credentials = config.credentials.map(({ name }) => `  credential ${name}\n`);
  return [...storages, ...buckets, ...credentials].join('');
}

function storagesOf(config: Config) {
  return config.storages.map(({ name, provider, default: isDefault }) => ({ name, provider, isDefault }));
}
