#!/usr/bin/env -S node --max-semi-space-size=8 --no-parallel-scavenge --expose-gc
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, Option } from 'commander';
import type { EnvFormat } from './commands/env.ts';
import { ConfigError } from './config/config-error.ts';
import { VERSION } from './version.ts';

// Compiled code is kept beside the packages, in a folder only their owner writes to: starting again takes half the time.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/sluice', import.meta.url)));

const FORMATS: readonly EnvFormat[] = ['sh', 'fish', 'powershell', 'dotenv', 'json'];

/** 0 fine, 1 failed at run time, 2 bad usage or bad configuration. */
const EXIT = { fine: 0, failed: 1, usage: 2 } as const;

const CONFIG = [
  '--config <file>',
  'configuration file (default: $SLUICE_CONFIG, then ./sluice.yaml if there)',
] as const;
const INIT_OPTIONS = [
  ['--provider <name>', 'who runs the storage: aws, oss, …, other, azure, filesystem'],
  ['--endpoint <host>', 'host[:port], or the URL'],
  ['--access-key <key>', "the storage's access key"],
  ['--secret-key <key>', "the storage's secret key"],
  ['--bucket <name>', 'the one bucket, or container, used there'],
  ['--prefix <path>', 'goes before every key'],
  ['--protocol <name>', 'http or https (default: https)'],
  ['--default', 'use it for buckets that nothing else names (the default)'],
  ['--no-default', 'use it only for its own bucket, and for what the file is to name'],
  ['--region <name>', 'where neither the endpoint nor the provider tells'],
  ['--addressing <style>', "virtual, path or domain, instead of the provider's own"],
  ['--name <name>', 'of the storage in the file (default: the provider)'],
  ['--account <name>', 'azure: the storage account'],
  ['--account-key <key>', 'azure: its key'],
  ['--sas <token>', 'azure: a shared access signature, instead of the key'],
  ['--connection-string <text>', 'azure: instead of all these'],
  ['--path <folder>', 'filesystem: the folder (default: ./sluice-data)'],
  ['--client-access-key <key>', 'a key for clients (default: a new one)'],
  ['--client-secret-key <key>', 'its secret'],
] as const;
const DATA = ['--data <dir>', 'folder of the embedded store, where there is no configuration file'] as const;

const program = new Command('sluice')
  .description('A local S3-compatible gateway: any S3 client in front, any storage behind.')
  .version(VERSION, '--version', 'print the version')
  .showHelpAfterError('(sluice --help lists the commands)')
  .exitOverride();

program
  .command('serve')
  .description('run the gateway')
  .option(...CONFIG)
  .option(...DATA)
  .option('--listen <host:port>', 'address of the S3 port, instead of the configured one')
  .action(async (options) => (await import('./commands/serve.ts')).serve(options, process.env));

program
  .command('check')
  .description('check the configuration, then try every storage live')
  .option(...CONFIG)
  .option('--storage <name>', 'try only this storage')
  .option('--bucket <name>', 'try in this bucket, where a storage names none')
  .option('--json', 'print the result as JSON')
  .action(async (options) => (await import('./commands/check.ts')).check(options, process.env));

program
  .command('env')
  .description('print what points an S3 client at the gateway')
  .option(...CONFIG)
  .option(...DATA)
  .option('--credential <name>', 'which credential (default: the first)')
  .addOption(new Option('--format <format>', 'syntax').choices(FORMATS).default('sh'))
  .action(async (options) => (await import('./commands/env.ts')).printEnv(options, process.env));

const initCommand = program
  .command('init')
  .description('write a configuration, from these options and from answers; keys may be ${NAME} or ${file:PATH}')
  .option('--config <file>', 'file to write (default: $SLUICE_CONFIG, then ./sluice.yaml)')
  .option('--force', 'replace a file that is there');
for (const [flags, description] of INIT_OPTIONS) initCommand.option(flags, description);
initCommand.action(async (options) => (await import('./commands/init.ts')).init(options, process.env));

const cache = program.command('cache').description('ask and steer the cache of the running gateway');
const ADMIN = ['--admin <url>', 'its admin port (default: as configured)'] as const;
const TOKEN = ['--token <token>', 'its admin token (default: $SLUICE_ADMIN_TOKEN, then as configured)'] as const;
const cacheCommand = (usage: string, description: string) =>
  cache
    .command(usage)
    .description(description)
    .option(...CONFIG)
    .option(...ADMIN)
    .option(...TOKEN);

cacheCommand('stats', 'print what it holds and has done')
  .option('--json', 'print as JSON')
  .action(async (options) => (await import('./commands/cache.ts')).cacheStats(options, process.env));

cacheCommand('ls [bucket[/prefix]]', 'list what it holds')
  .option('--json', 'print as JSON')
  .option('--limit <count>', 'most objects', '1000')
  .action(async (place, options) => (await import('./commands/cache.ts')).cacheLs(place, options, process.env));

cacheCommand('purge [bucket[/prefix]]', 'forget objects; the storage keeps them')
  .option('--all', 'forget everything')
  .action(async (place, options) => (await import('./commands/cache.ts')).cachePurge(place, options, process.env));

cacheCommand('warm <bucket[/prefix]>', 'fetch objects before they are wanted')
  .option('--keys <file>', 'these keys, one a line, instead of all below the prefix; - reads standard input')
  .option('--rate <size>', 'bytes a second on average, such as 10MiB')
  .action(async (place, options) => (await import('./commands/cache.ts')).cacheWarm(place, options, process.env));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}

/** Says on standard error what is wrong, unless commander has, and gives the exit code for it. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage;
  if (error instanceof ConfigError) {
    for (const problem of error.problems) process.stderr.write(`${problem}\n`);
    return EXIT.usage;
  }
  process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`);
  return EXIT.failed;
}
