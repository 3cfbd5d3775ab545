import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../support/gateway.ts';
import { STAND_INS, type StandInName } from '../vendors/rows.ts';
import { STAND_IN_KEY, type StandIn, startStandIn } from '../vendors/stand-in.ts';
import { attempt, type Outcome } from './attempt.ts';
import { awscli } from './clients/awscli.ts';
import { minioJs } from './clients/minio-js.ts';
import { rclone } from './clients/rclone.ts';
import { s3cmd, s3cmdV2 } from './clients/s3cmd.ts';
import { sdkV2Clients } from './clients/sdk-v2.ts';
import { sdkV3 } from './clients/sdk-v3.ts';
import { isRecording, keep, type Row, versionsOf } from './record.ts';
import type { ClientAccess, ClientScenario } from './scenario.ts';

const CLIENTS: readonly ClientScenario[] = [
  sdkV3,
  ...sdkV2Clients.filter(({ name }) => name.endsWith('path style')),
  awscli,
  s3cmd,
  s3cmdV2,
  rclone,
  minioJs,
];

/** What `If-None-Match: *` comes to where the vendor has no header for it, or may have none: an error that nobody overlooks. */
const GUARDED: Partial<Record<StandInName, RegExp>> = {
  b2: /^(PreconditionFailed|NotImplemented)$/,
  tos: /^(PreconditionFailed|NotImplemented)$/,
  kodo: /^NotImplemented$/,
  obs: /^NotImplemented$/,
  gcs: /^NotImplemented$/,
  wasabi: /^NotImplemented$/,
  other: /^NotImplemented$/,
};

/** More than one part of the 5 MiB that the smallest part may have. */
const LARGE = 6 * 2 ** 20 + 7;

const NAMES = Object.keys(STAND_INS).filter(
  (name): name is StandInName => process.env.VENDOR === undefined || process.env.VENDOR.split(',').includes(name),
);
const chosen = CLIENTS.filter(({ name }) => name.includes(process.env.CLIENT ?? ''));

t.setTimeout(1_800_000);
// Half of the time a client's program starts, which needs one processor.
t.jobs = Number(process.env.JOBS ?? '2');
const clients = await versionsOf(CLIENTS);

for (const name of NAMES) {
  t.test(`all clients at ${name}`, { buffered: true, timeout: 1_800_000 }, async (t) => {
    // Not tap's own: another run of tap empties that, and this takes minutes.
    const folder = mkdtempSync(join(tmpdir(), `clients-at-${name}-`));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const through = await throughSluice(t, name, folder);
    if (!isRecording || chosen.length < CLIENTS.length) return;
    record({ backend: name, through, direct: await withoutSluice(name, folder) });
  });
}

async function throughSluice(t: Test, name: StandInName, folder: string): Promise<Record<string, Outcome>> {
  const standIn = await startStandIn(name);
  t.teardown(() => standIn.close());
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - name: vendor
    provider: ${name}
    endpoint: ${standIn.endpoint}
    protocol: http
    region: ${standIn.row.region}
    accessKey: ${STAND_IN_KEY.accessKey}
    secretKey: ${STAND_IN_KEY.secretKey}
    default: true
`);
  t.teardown(() => gateway.close());
  const outcomes: Record<string, Outcome> = {};
  for (const [index, client] of chosen.entries()) {
    const guarded = GUARDED[name];
    const outcome = await attempt(client, {
      endpoint: gateway.url,
      accessKey: ACCESS_KEY,
      secretKey: SECRET_KEY,
      folder: folderOf(folder, `through-${index}`),
      ...bucketOf(standIn, `${name}-${index}`),
      ...(guarded && { guarded }),
    });
    outcomes[client.name] = outcome;
    if (typeof outcome === 'object' && 'skipped' in outcome) t.pass(client.name, { skip: outcome.skipped });
    else t.equal(outcome, 'passes', `${client.name}${outcome === 'passes' ? '' : lastRefusals(standIn)}`);
  }
  return outcomes;
}

/** The same clients, set as somebody would who knows the vendor's region and addressing. Their failures are the point. */
async function withoutSluice(name: StandInName, folder: string): Promise<Record<string, Outcome>> {
  const outcomes: Record<string, Outcome> = {};
  for (const [index, client] of chosen.entries()) {
    const standIn = await startStandIn(name);
    const addressing = standIn.row.path === 'served' ? 'path' : 'virtual';
    const outcome = await attempt(client, {
      endpoint: `http://${standIn.endpoint}`,
      ...STAND_IN_KEY,
      folder: folderOf(folder, `direct-${index}`),
      ...bucketOf(standIn, `${name}-${index}`),
      direct: { region: standIn.row.region, addressing, proxyPort: standIn.port },
    });
    // What S3 itself would have said as well is no reason.
    const refused = standIn.refused.findLast(({ status, code }) => status !== 404 && code !== 'BucketNotEmpty');
    const isFailed = typeof outcome === 'object' && 'fails' in outcome;
    outcomes[client.name] =
      isFailed && refused !== undefined ? { fails: `${refused.status} ${refused.code}: ${refused.message}` } : outcome;
    await standIn.close();
  }
  return outcomes;
}

function folderOf(parent: string, name: string): string {
  const folder = join(parent, name);
  mkdirSync(folder);
  return folder;
}

/** Every bucket has a name of its own: the old aws-sdk remembers the region of a name for as long as it runs. */
function bucketOf({ row }: StandIn, name: string): Pick<ClientAccess, 'bucket' | 'large' | 'hasMd5ETags'> {
  const hasMd5ETags = row.multipartETag === 'aws' && row.etagCase === 'lower';
  return { bucket: `round-${name}-1250000000`, large: LARGE, hasMd5ETags };
}

/** What the vendor said last, for whoever has to mend it. */
function lastRefusals({ refused }: StandIn): string {
  const lines = refused.slice(-4).map(({ method, target, status, code, message, headers }) => {
    return `${method} ${target} ${JSON.stringify(headers)}\n  -> ${status} ${code} ${message}`;
  });
  return `\nlast refused by the vendor:\n${lines.join('\n')}`;
}

function record(row: Row): void {
  const matrix = {
    title: 'Vendors',
    about:
      'Each vendor is a strict stand-in built from its documents and from what users and tools report; where nobody ' +
      'knows, it refuses. “Without Sluice” is the client at the stand-in itself, set to its region and addressing.',
    clients,
    rows: [row],
  };
  keep('1-vendors', matrix, Object.keys(STAND_INS));
}
