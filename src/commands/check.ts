import { ConfigError } from '../config/config-error.ts';
import { checkFiles } from '../config/files.ts';
import { type ConfigOptions, configFile, findConfig } from '../config/find.ts';
import type { Config } from '../config/schema.ts';
import type { StorageReport } from './check/finding.ts';
import { reportText } from './check/report.ts';
import { checkStorage } from './check/storage.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface CheckOptions extends ConfigOptions {
  readonly json?: true;
  /** Name of the one storage to try. */
  readonly storage?: string;
  /** The bucket to try in, where a storage names none. */
  readonly bucket?: string;
}

/**
 * Checks the configuration, then tries every storage live, and prints what was found. Sets the exit code: 0 when every
 * storage is usable, 1 when one is not, 2 for a wrong configuration.
 * @throws ConfigError with every mistake, unless JSON is wanted
 */
export async function check(options: CheckOptions, env: Env): Promise<void> {
  const file = configFile(options, env);
  let config: Config;
  try {
    config = findConfig(options, env).config;
    checkFiles(config, file ?? 'embedded default');
    if (options.storage !== undefined && !config.storages.some(({ name }) => name === options.storage)) {
      throw new ConfigError([`--storage ${options.storage}: no storage has this name`]);
    }
  } catch (error) {
    if (!(error instanceof ConfigError) || options.json !== true) throw error;
    print(`${JSON.stringify({ file, valid: false, problems: error.problems }, null, 2)}\n`);
    process.exitCode = 2;
    return;
  }
  if (options.json !== true) print(`${file ?? 'embedded default'}: valid\n${summary(config)}`);
  const reports: StorageReport[] = [];
  for (const storage of config.storages) {
    if (options.storage !== undefined && storage.name !== options.storage) continue;
    const report = await checkStorage(storage, { bucket: options.bucket, now: () => new Date() });
    if (options.json !== true) print(reportText(report));
    reports.push(report);
  }
  if (options.json === true) {
    print(`${JSON.stringify({ file, valid: true, problems: [], storages: reports }, null, 2)}\n`);
  }
  if (!reports.every(({ isUsable }) => isUsable)) process.exitCode = 1;
}

function print(text: string): void {
  process.stdout.write(text);
}

function summary(config: Config): string {
  const storages = config.storages.map(
    ({ name, provider, default: isDefault }) => `  storage ${name}: ${provider}${isDefault ? ', default' : ''}\n`,
  );
  const buckets = config.buckets.map(({ name, storage }) => `  bucket ${name}: on ${storage}\n`);
  const credentials = config.credentials.map(({ name }) => `  credential ${name}\n`);
  return [...storages, ...buckets, ...credentials].join('');
}
