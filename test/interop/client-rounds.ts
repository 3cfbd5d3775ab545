import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ACCESS_KEY, SECRET_KEY } from '../support/gateway.ts';
import { type GatewayPair, startGatewayPair } from '../support/gateway-pair.ts';
import { attempt, type Outcome } from './attempt.ts';
import { curl } from './clients/curl.ts';
import { minioJs } from './clients/minio-js.ts';
import { rclone } from './clients/rclone.ts';
import { s3cmd } from './clients/s3cmd.ts';
import { sdkV3 } from './clients/sdk-v3.ts';
import { CLIENTS } from './clients.ts';
import { isRecording, keep, type Matrix, type Row, versionsOf, whereAndWhen } from './record.ts';
import { type ClientScenario, LARGE, lack } from './scenario.ts';
import { type Backend, backends } from './systems/backends.ts';

const MiB = 2 ** 20;
const TITLES = { embedded: 'embedded store', ceph: 'Ceph', azurite: 'Azurite' } as const;

/** Variants of a client: what differs in them has been through 100 MiB when it has been through many parts. */
const isVariant = ({ name }: ClientScenario) => /virtual|v2|boto3 s3,|pip|awscli 1|Debian/.test(name);

/** Bytes of the large object: 100 MiB once for each client, and where they show no more than several parts, just those. */
function largeFor(client: ClientScenario, backend: string): number {
  if (backend === 'azurite') return 6 * MiB + 7;
  return backend === 'embedded' && !isVariant(client) ? LARGE : 20 * MiB + 7;
}

const YOUNGER = ['Debian 13', 'Debian sid'];

/**
 * Why a client need not be tried on a storage of others; false when it is. What a service behind is asked by Sluice depends
 * little on a client's age, so on the embedded store all are tried, and elsewhere the younger where there are two.
 */
async function isElder(client: ClientScenario, backend: string): Promise<string | false> {
  if (isRecording || backend === 'embedded' || process.env.CLIENT !== undefined) return false;
  const younger = CLIENTS.find(({ name }) => YOUNGER.some((age) => name === `${client.name}, ${age}`));
  if (younger === undefined || (await lack(younger)) !== false) return false;
  return `tried on the embedded store, and here as ${younger.name}; npm run compatibility tries both`;
}

/** What the storage is asked with makes no difference to a client: these are one of each kind. */
const ONE_OF_EACH = [s3cmd, rclone, curl, sdkV3, minioJs];

const chosen = (clients: readonly ClientScenario[]) =>
  clients.filter(({ name }) => name.includes(process.env.CLIENT ?? ''));

/** Every client, or those that the environment's CLIENT names, does its full round on one kind of storage: a test file each. */
export async function tryClientsOn(name: keyof typeof TITLES): Promise<void> {
  t.setTimeout(1_800_000);
  const clients = await versionsOf(CLIENTS);
  for (const source of backends(name)) {
    const skip = source.missing.length > 0 ? `not installed: ${source.missing.join(', ')}` : false;
    t.test(`every client does its full round on ${name}`, { skip, timeout: 1_800_000 }, async (t) => {
      const backend = await source.start(t);
      const gateways = await gatewaysOver(t, backend);
      const through = await rounds(t, chosen(CLIENTS), gateways, {
        largeOf: (client) => largeFor(client, name),
        without: (client) => isElder(client, name),
      });
      record({ backend: TITLES[name], version: backend.version, through }, clients);
      if (name !== 'ceph') return;
      const title = 'and one of each kind where the storage is signed V2 and addressed by host';
      await t.test(title, { timeout: 600_000 }, async (t) => {
        const others = await gatewaysOver(t, backend, 'signature: v2, addressing: virtual, ');
        await rounds(t, chosen(ONE_OF_EACH), others, { largeOf: () => 6 * MiB + 7, without: async () => false });
      });
    });
  }
}

async function gatewaysOver(t: Test, { storage, apart }: Backend, more = ''): Promise<GatewayPair> {
  const gateways = await startGatewayPair(
    t.testdir(),
    (isSecure) => `storages: [{ name: all, ${isSecure ? apart : storage}, ${more}default: true }]`,
  );
  t.teardown(() => gateways.close());
  return gateways;
}

/** Each client's whole round, with a folder and a bucket of its own. */
async function rounds(
  t: Test,
  clients: readonly ClientScenario[],
  { access, plain, secure }: GatewayPair,
  how: {
    readonly largeOf: (client: ClientScenario) => number;
    /** Why it is left out; false when it is not. */
    readonly without: (client: ClientScenario) => Promise<string | false>;
  },
): Promise<Record<string, Outcome>> {
  // Not tap's own: another run of tap empties that, and this takes minutes.
  const parent = mkdtempSync(join(tmpdir(), 'clients-'));
  t.teardown(() => rmSync(parent, { recursive: true, force: true }));
  const outcomes: Record<string, Outcome> = {};
  for (const [index, client] of clients.entries()) {
    const reason = await how.without(client);
    if (reason !== false) {
      t.pass(client.name, { skip: reason });
      continue;
    }
    const folder = join(parent, String(index));
    mkdirSync(folder);
    const before = [plain, secure].map((gateway) => gateway.log().length);
    const started = performance.now();
    const keys = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, large: how.largeOf(client) };
    const outcome = await attempt(client, {
      ...access,
      ...keys,
      folder,
      bucket: `round-${t.name.length}-${index}`,
    });
    rmSync(folder, { recursive: true, force: true });
    outcomes[client.name] = outcome;
    const took = `${client.name} in ${((performance.now() - started) / 1000).toFixed(1)} s`;
    if (typeof outcome === 'object' && 'skipped' in outcome) t.pass(client.name, { skip: outcome.skipped });
    else if (outcome === 'passes') t.pass(took);
    else
      t.equal(
        outcome,
        'passes',
        `${took}\n${[plain, secure].map((gateway, at) => refusals(gateway.log().slice(before[at]))).join('')}`,
      );
  }
  return outcomes;
}

/** What the gateway refused last, for whoever has to mend it. */
function refusals(log: string): string {
  const lines = log.split('\n').filter((line) => /"status":[45]/.test(line));
  return lines.slice(-4).join('\n');
}

function record(row: Row, clients: Matrix['clients']): void {
  const matrix = {
    title: 'Backends',
    about:
      'Each client does what its users do, through Sluice, on each kind of storage behind: the embedded store, a real Ceph, and ' +
      'Azurite for Azure Blob Storage.',
    ran: whereAndWhen(new Date()),
    clients,
    rows: [row],
  };
  keep('0-backends', matrix, Object.values(TITLES));
}
