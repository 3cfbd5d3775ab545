import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inDebian13 } from '../debian-13.ts';
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

/** Where a server and what backs it up are from. */
export interface PostgresPlace {
  /** What the names of its server's programs begin with. */
  readonly programs: string;
  /** The path that runs a program of it from here. */
  readonly from: (program: string) => string;
}

/** This machine. */
export const HERE: PostgresPlace = {
  get programs() {
    return `${programsOf() ?? SERVERS}/`;
  },
  from: (program) => program,
};

/** Its programs start one another by their names alone, which the first of them is told by its path. */
export const DEBIAN_13: PostgresPlace = { programs: '', from: inDebian13 };

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
 * @param place that all of it is from
 */
export async function makePostgres(
  t: Check,
  archiveCommand: (folder: string) => string,
  env: Readonly<Record<string, string>>,
  { programs, from }: PostgresPlace,
): Promise<Postgres> {
  const folder = await ownFolder(t, from('id'));
  const data = join(folder, 'data');
  // PostgreSQL refuses to run as root.
  const user = process.getuid?.() === 0 ? ['runuser', '-u', USER, '--'] : [];
  const ran = (program: string, ...args: readonly string[]): Promise<Ran> => {
    const [command = program, ...rest] = [...user, program, ...args];
    return run(from(command), rest, { cwd: folder, env: { HOME: folder, ...env } });
  };
  const as: Postgres['as'] = async (program, ...args) => {
    const { status, stdout, stderr } = await ran(program, ...args);
    t.equal(status, 0, `${program} ${args.join(' ')}\n${stdout}${stderr}`);
    return stdout.trim();
  };
  const control = ['-w', '-s', '-D', data, '-l', join(folder, 'log')];
  await as(`${programs}initdb`, '-N', '-A', 'trust', '-U', USER, '-D', data);
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
  t.teardown(() => ran(`${programs}pg_ctl`, ...control, '-m', 'immediate', 'stop'));
  return {
    folder,
    data,
    as,
    start: async () => void (await as(`${programs}pg_ctl`, ...control, 'start')),
    stop: async () => void (await as(`${programs}pg_ctl`, ...control, '-m', 'fast', 'stop')),
    sql: (query) => as(`${programs}psql`, '-h', folder, '-U', USER, '-Atqc', query, 'postgres'),
  };
}

/** A folder that the server's user owns. */
async function ownFolder(t: Check, id: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  if (process.getuid?.() !== 0) return folder;
  const [user, group] = await Promise.all(['-u', '-g'].map((option) => run(id, [option, USER])));
  chownSync(folder, Number(user?.stdout), Number(group?.stdout));
  return folder;
}
