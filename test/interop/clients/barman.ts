import { appendFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ofDebian13 } from '../debian-13.ts';
import { versionOf } from '../process.ts';
import type { ClientScenario } from '../scenario.ts';
import { ownBucket } from './own-bucket.ts';
import { DEBIAN_13, HERE, lacksPostgres, makePostgres, type PostgresPlace } from './postgres.ts';

/** barman-cloud, what PostgreSQL on Kubernetes is backed up with: a stream of unknown length in parts, and a log beside. */
export const barman: ClientScenario = { ...barmanOf(HERE), lacks: lacksPostgres };
export const newerBarman = ofDebian13(barmanOf(DEBIAN_13), 'barman-cloud-backup');

function barmanOf(place: PostgresPlace): ClientScenario {
  const program = place.from('barman-cloud-backup');
  return {
    name: 'barman-cloud',
    program,
    version: () => versionOf(program),
    async run(t, access) {
      const { endpoint, accessKey, secretKey, bucket } = access;
      const { keys } = await ownBucket(t, access);
      const service = ['--endpoint-url', endpoint];
      const where = [`s3://${bucket}/pg`, 'demo'];
      const call = (name: string, ...args: readonly string[]) =>
        [`barman-cloud-${name}`, ...service, ...args].join(' ');
      const database = await makePostgres(
        t,
        () => call('wal-archive', ...where, '%p'),
        {
          AWS_ACCESS_KEY_ID: accessKey,
          AWS_SECRET_ACCESS_KEY: secretKey,
          AWS_DEFAULT_REGION: 'eu-central-1',
          AWS_EC2_METADATA_DISABLED: 'true',
        },
        place,
      );
      const { data, folder, sql } = database;
      const cloud = (name: string, ...args: readonly string[]) =>
        database.as(`barman-cloud-${name}`, ...service, ...args);

      await database.start();
      await cloud('check-wal-archive', ...where);
      await sql('create table kept as select i, md5(i::text) as word from generate_series(1, 20000) i');
      await cloud('backup', '-h', folder, '-U', 'postgres', '--immediate-checkpoint', ...where);
      await sql("insert into kept values (-1, 'after the backup')");
      await database.stop();
      const { backups_list: backups } = JSON.parse(await cloud('backup-list', '--format', 'json', ...where));
      t.strictSame(
        backups.map(({ status }: { status: string }) => status),
        ['DONE'],
      );
      const id = String(backups[0].backup_id);

      await rm(data, { recursive: true });
      await cloud('restore', ...where, id, data);
      await database.as('touch', join(data, 'recovery.signal'));
      await database.as('chmod', '700', data);
      appendFileSync(
        join(data, 'postgresql.conf'),
        `restore_command = '${call('wal-restore', ...where, '%f', '%p')}'\nrecovery_target_action = 'promote'\n`,
      );
      await database.start();
      // What came after the backup is in the archived log.
      t.equal(
        await sql('select word from kept where i = -1 and (select count(*) from kept) = 20001'),
        'after the backup',
      );
      await cloud('backup-delete', '-b', id, ...where);
      await database.stop();
      t.equal(
        (await keys()).some((key) => key.includes(`/base/${id}/`)),
        false,
        'the backup is gone',
      );
    },
  };
}
