import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ofDebian13 } from '../debian-13.ts';
import { versionFrom } from '../process.ts';
import type { Check, ClientAccess, ClientScenario } from '../scenario.ts';
import { ownBucket } from './own-bucket.ts';
import { DEBIAN_13, HERE, lacksPostgres, makePostgres, type PostgresPlace } from './postgres.ts';

/** pgbackrest: a PostgreSQL that archives to S3, its backups, and its restoration. It speaks HTTPS and nothing else. */
export const pgbackrest: ClientScenario = { ...pgbackrestOf(HERE), lacks: lacksPostgres };
export const newerPgbackrest = ofDebian13(pgbackrestOf(DEBIAN_13), 'pgbackrest');

function pgbackrestOf(place: PostgresPlace): ClientScenario {
  const program = place.from('pgbackrest');
  return {
    name: 'pgbackrest',
    program,
    version: () => versionFrom(program, 'version'),
    run: (t, access) => round(t, access, place),
  };
}

async function round(t: Check, access: ClientAccess, place: PostgresPlace): Promise<void> {
  const { secure } = access;
  if (secure === undefined) throw new Error('needs HTTPS');
  const { keys } = await ownBucket(t, { ...access, endpoint: secure.endpoint });
  const configIn = (folder: string) => join(folder, 'backrest.conf');
  const database = await makePostgres(
    t,
    (folder) => `pgbackrest --config=${configIn(folder)} --stanza=demo archive-push %p`,
    {},
    place,
  );
  const { folder, sql } = database;
  copyFileSync(secure.caFile, join(folder, 'ca.pem'));
  chmodSync(join(folder, 'ca.pem'), 0o644);
  writeFileSync(configIn(folder), configOf(access, folder));
  const backrest = (...args: string[]) =>
    database.as('pgbackrest', `--config=${configIn(folder)}`, '--stanza=demo', ...args);

  await database.start();
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
  await database.stop();

  await rm(database.data, { recursive: true });
  await backrest('restore');
  await database.start();
  // What came after the last backup is in the archived log.
  t.equal(await sql('select count(*) from kept'), '20002');
  t.equal(await sql('select word from kept where i < 1 order by i'), 'after the second\nbefore the second');
  await backrest('expire', '--repo1-retention-full=1');
  await database.stop();
  t.ok((await keys()).some((key) => key.startsWith('repo/archive/demo/')));
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
pg1-user=postgres
`;
}
