import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, versionFrom } from '../process.ts';
import type { Check, ClientAccess, ClientScenario } from '../scenario.ts';
import { ownBucket } from './own-bucket.ts';

const POSTGRES = '/usr/lib/postgresql';
const USER = 'postgres';

/** pgbackrest: a PostgreSQL that archives to S3, its backups, and its restoration. It speaks HTTPS and nothing else. */
export const pgbackrest: ClientScenario = {
  name: 'pgbackrest',
  program: 'pgbackrest',
  version: () => versionFrom('pgbackrest', 'version'),
  lacks: async () => (programsOf() === undefined ? 'not installed: postgresql' : false),
  run: round,
};

/** The folder of the newest server's programs. */
function programsOf(): string | undefined {
  const versions = existsSync(POSTGRES) ? readdirSync(POSTGRES).sort((a, b) => Number(a) - Number(b)) : [];
  const folders = versions.map((version) => join(POSTGRES, version, 'bin'));
  return folders.findLast((folder) => existsSync(join(folder, 'initdb')));
}

async function round(t: Check, access: ClientAccess): Promise<void> {
  const { secure, bucket } = access;
  const programs = programsOf();
  if (secure === undefined || programs === undefined) throw new Error('needs HTTPS and a PostgreSQL');
  const { keys } = await ownBucket(t, { ...access, endpoint: secure.endpoint });
  const folder = await databaseFolder(t);
  const file = (name: string) => join(folder, name);
  const as = async (program: string, ...args: string[]) => {
    // PostgreSQL refuses to run as root.
    const command = process.getuid?.() === 0 ? ['runuser', '-u', USER, '--', program, ...args] : [program, ...args];
    const ran = await run(command[0] ?? '', command.slice(1), { cwd: folder, env: { HOME: folder } });
    t.equal(ran.status, 0, `${program} ${args.join(' ')}\n${ran.stdout}${ran.stderr}`);
    return ran.stdout.trim();
  };
  const server = (...args: string[]) =>
    as(join(programs, 'pg_ctl'), '-w', '-s', '-D', file('data'), '-l', file('log'), ...args);
  const sql = (query: string) => as(join(programs, 'psql'), '-h', folder, '-Atqc', query, 'postgres');
  const backrest = (...args: string[]) =>
    as('pgbackrest', `--config=${file('backrest.conf')}`, '--stanza=demo', ...args);

  copyFileSync(secure.caFile, file('ca.pem'));
  chmodSync(file('ca.pem'), 0o644);
  writeFileSync(file('backrest.conf'), configOf(access, folder));
  await as(join(programs, 'initdb'), '-N', '-A', 'trust', '-U', USER, '-D', file('data'));
  const archive = `archive_mode = on\narchive_command = 'pgbackrest --config=${file('backrest.conf')} --stanza=demo archive-push %p'\n`;
  appendFileSync(
    file('data/postgresql.conf'),
    `listen_addresses = ''\nunix_socket_directories = '${folder}'\nfsync = off\n${archive}`,
  );
  await server('start');
  // Where the round breaks off, it is still running.
  let isRunning = true;
  t.teardown(() => isRunning && server('-m', 'immediate', 'stop'));
  await backrest('stanza-create');
  await backrest('check');
  await sql('create table kept as select i, md5(i::text) as word from generate_series(1, 20000) i');
  await backrest('backup', '--type=full');
  await sql("insert into kept values (0, 'before the second')");
  await backrest('backup', '--type=incr');
  const [info] = JSON.parse(await backrest('info', '--output=json'));
  t.strictSame([info.status.message, info.backup.map(({ type }: { type: string }) => type)], ['ok', ['full', 'incr']]);
  t.equal(await backrest('verify'), '', 'verify finds nothing wrong');
  await sql("insert into kept values (-1, 'after the second')");
  await server('-m', 'fast', 'stop');
  isRunning = false;

  await rm(file('data'), { recursive: true });
  await backrest('restore');
  await server('start');
  isRunning = true;
  // What came after the last backup is in the archived log.
  t.equal(await sql('select count(*) from kept'), '20002');
  t.equal(await sql('select word from kept where i < 1 order by i'), 'after the second\nbefore the second');
  await backrest('expire', '--repo1-retention-full=1');
  await server('-m', 'fast', 'stop');
  isRunning = false;
  t.ok(
    (await keys()).some((key) => key.startsWith('repo/archive/demo/')),
    bucket,
  );
}

/** A folder that PostgreSQL's user owns. */
async function databaseFolder(t: Check): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'pgbackrest-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  if (process.getuid?.() !== 0) return folder;
  const [user, group] = await Promise.all(['-u', '-g'].map((option) => run('id', [option, USER])));
  chownSync(folder, Number(user?.stdout), Number(group?.stdout));
  return folder;
}

function configOf({ secure, accessKey, secretKey, bucket }: ClientAccess, folder: string): string {
  return `[global]
repo1-type=s3
repo1-path=/repo
repo1-s3-bucket=${bucket}
repo1-s3-endpoint=${secure?.endpoint.replace('https://', '')}
repo1-s3-region=us-east-1
repo1-s3-uri-style=path
repo1-s3-key=${accessKey}
repo1-s3-key-secret=${secretKey}
repo1-storage-ca-file=${join(folder, 'ca.pem')}
repo1-bundle=y
repo1-retention-full=2
start-fast=y
lock-path=${join(folder, 'lock')}
log-path=${folder}
spool-path=${join(folder, 'spool')}
log-level-console=warn
compress-type=lz4
[demo]
pg1-path=${join(folder, 'data')}
pg1-socket-path=${folder}
pg1-user=${USER}
`;
}
