import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ran, run } from '../process.ts';
import type { Check } from '../scenario.ts';

const SERVERS = '/usr/lib/postgresql';
const USER = 'postgres';

/** A PostgreSQL server of its own, reached by a socket in its folder, stopped and removed with the round. */
export interface Postgres {
  /** Belongs to the server's user, as whom all runs. */
  readonly folder: string;
  readonly data: string;
  /** Runs a program to its success and tells what it wrote. */
  as(program: string, ...args: readonly string[]): Promise<string>;
  start(): Promise<void>;
  stop(): Promise<void>;
  sql(query: string): Promise<string>;
}

/** Why there is no server to try a backup with; false when there is one. */
export async function lacksPostgres(): Promise<string | false> {
  return programsOf() === undefined ? 'not installed: postgresql' : false;
}

/** The folder of the newest server's programs. */
function programsOf(): string | undefined {
  const versions = existsSync(SERVERS) ? readdirSync(SERVERS).sort((a, b) => Number(a) - Number(b)) : [];
  const folders = versions.map((version) => join(SERVERS, version, 'bin'));
  return folders.findLast((folder) => existsSync(join(folder, 'initdb')));
}

/**
 * Makes an empty database cluster.
 * @param archiveCommand what the server gives each file of its log to, told the folder
 * @param env of the server and of all that runs as its user
 */
export async function makePostgres(
  t: Check,
  archiveCommand: (folder: string) => string,
  env: Readonly<Record<string, string>> = {},
): Promise<Postgres> {
  const programs = programsOf() ?? SERVERS;
  const folder = await ownFolder(t);
  const data = join(folder, 'data');
  // PostgreSQL refuses to run as root.
  const user = process.getuid?.() === 0 ? ['runuser', '-u', USER, '--'] : [];
  const ran = (program: string, ...args: readonly string[]): Promise<Ran> => {
    const [command = program, ...rest] = [...user, program, ...args];
    return run(command, rest, { cwd: folder, env: { HOME: folder, ...env } });
  };
  const as: Postgres['as'] = async (program, ...args) => {
    const { status, stdout, stderr } = await ran(program, ...args);
    t.equal(status, 0, `${program} ${args.join(' ')}\n${stdout}${stderr}`);
    return stdout.trim();
  };
  const control = ['-w', '-s', '-D', data, '-l', join(folder, 'log')];
  await as(join(programs, 'initdb'), '-N', '-A', 'trust', '-U', USER, '-D', data);
  appendFileSync(
    join(data, 'postgresql.conf'),
    `listen_addresses = ''
unix_socket_directories = '${folder}'
fsync = off
archive_mode = on
archive_command = '${archiveCommand(folder)}'
`,
  );
  // Where the round breaks off it is still running; else this fails, and that is as well.
  t.teardown(() => ran(join(programs, 'pg_ctl'), ...control, '-m', 'immediate', 'stop'));
  return {
    folder,
    data,
    as,
    start: async () => void (await as(join(programs, 'pg_ctl'), ...control, 'start')),
    stop: async () => void (await as(join(programs, 'pg_ctl'), ...control, '-m', 'fast', 'stop')),
    sql: (query) => as(join(programs, 'psql'), '-h', folder, '-U', USER, '-Atqc', query, 'postgres'),
  };
}

/** A folder that the server's user owns. */
async function ownFolder(t: Check): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  if (process.getuid?.() !== 0) return folder;
  const [user, group] = await Promise.all(['-u', '-g'].map((option) => run('id', [option, USER])));
  chownSync(folder, Number(user?.stdout), Number(group?.stdout));
  return folder;
}
