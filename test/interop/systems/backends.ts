import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AZURITE_ACCOUNT, AZURITE_KEY, startAzurite } from '../../support/azurite.ts';
import { missingForCeph, startCeph } from '../../support/ceph.ts';
import { diskFolder } from '../../support/disk-folder.ts';
import { CREDENTIALS, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { wireClient } from '../../support/wire-client.ts';
import { STAND_IN_KEY, startStandIn } from '../../vendors/stand-in.ts';
import type { Strictness } from '../../vendors/strictness.ts';
import { packageVersion, versionOf } from '../process.ts';

/** Where a system's bytes end up. */
export interface Backend {
  readonly name: string;
  /** The fields that point a `storages` entry there, in flow style. */
  readonly storage: string;
  /** The same for a second gateway at the same time: another folder where two may not share one. */
  readonly apart: string;
  /** What it is and its version. */
  readonly version: string;
  /** Whether the ETag of an object made of parts is the MD5 of their MD5s. */
  readonly hasAwsETags: boolean;
  /** Whether it can tell a second Complete of an upload what the first one came to. */
  readonly completesAgain: boolean;
  /** What a write to an existing key comes to that was to be its first. */
  readonly overwriting: 'PreconditionFailed' | 'NotImplemented';
  /** Whether it takes long for many small objects. */
  readonly isSlow: boolean;
}

export interface BackendSource {
  readonly name: string;
  readonly missing: readonly string[];
  start(t: Test): Promise<Backend>;
}

/** All, or those that the environment's BACKEND names. */
export function backends(environment: string | undefined): readonly BackendSource[] {
  const chosen = environment?.split(',');
  return SOURCES.filter(({ name }) => chosen?.includes(name) ?? true);
}

const SOURCES: readonly BackendSource[] = [
  {
    name: 'embedded',
    missing: [],
    start: async (t) => {
      const folder = t.testdir();
      const storage = (name: string) => `provider: filesystem, path: ${JSON.stringify(join(folder, name))}`;
      const version = `Node ${process.versions.node}`;
      return {
        name: 'embedded',
        storage: storage('data'),
        apart: storage('apart'),
        version,
        hasAwsETags: true,
        completesAgain: true,
        overwriting: 'PreconditionFailed',
        isSlow: false,
      };
    },
  },
  {
    name: 'ceph',
    missing: missingForCeph(),
    start: async (t) => {
      const ceph = await startCeph();
      t.teardown(() => ceph.stop());
      const keys = `accessKey: ${ceph.accessKey}, secretKey: ${ceph.secretKey}`;
      const storage = `provider: ceph, endpoint: "localhost:${ceph.port}", protocol: http, ${keys}`;
      return {
        name: 'ceph',
        storage,
        apart: storage,
        version: `radosgw ${await versionOf('radosgw')}`,
        hasAwsETags: true,
        completesAgain: true,
        overwriting: 'PreconditionFailed',
        isSlow: false,
      };
    },
  },
  {
    name: 'azurite',
    missing: [],
    start: async (t) => {
      const azurite = await startAzurite();
      t.teardown(() => azurite.stop());
      const keys = `account: ${AZURITE_ACCOUNT}, accountKey: "${AZURITE_KEY}"`;
      const storage = `provider: azure, endpoint: "${azurite.endpoint}", protocol: http, ${keys}`;
      return {
        name: 'azurite',
        storage,
        apart: storage,
        version: `azurite ${await packageVersion('azurite')}`,
        hasAwsETags: true,
        completesAgain: true,
        overwriting: 'PreconditionFailed',
        isSlow: true,
      };
    },
  },
  // ETags are told in upper case, and of uploads they are random. `etag: md5` mends what clients compare.
  {
    name: 'mangled ETags',
    missing: [],
    start: (t) => standIn(t, 'other', { etagCase: 'upper', multipartETag: 'random' }),
  },
  // The same, and strict in all that makes ZenML and Zadig need a setting for this vendor.
  { name: 'oss', missing: [], start: (t) => standIn(t, 'oss', {}) },
];

async function standIn(t: Test, name: 'oss' | 'other', changes: Partial<Strictness>): Promise<Backend> {
  const vendor = await startStandIn(name, changes);
  t.teardown(() => vendor.close());
  const keys = `accessKey: ${STAND_IN_KEY.accessKey}, secretKey: ${STAND_IN_KEY.secretKey}`;
  const fields = `provider: ${name}, endpoint: "${vendor.endpoint}", region: ${vendor.row.region}, protocol: http, etag: md5`;
  const storage = `${fields}, ${keys}`;
  return {
    name,
    storage,
    apart: storage,
    version: 'stand-in',
    hasAwsETags: false,
    completesAgain: false,
    overwriting: name === 'oss' ? 'PreconditionFailed' : 'NotImplemented',
    isSlow: false,
  };
}

/** Makes buckets on a backend through a gateway of their own. */
export async function makeBuckets(t: Test, backend: Backend, names: readonly string[]): Promise<void> {
  const gateway = await startTestGateway(
    `${CREDENTIALS}\nstorages: [{ name: all, ${backend.storage}, default: true }]\n`,
  );
  try {
    const { ask } = wireClient(t, { port: gateway.port });
    for (const name of names) {
      const { status, text } = await ask('PUT', name);
      if (status !== 200) throw new Error(`bucket ${name} on ${backend.name}: ${status} ${text}`);
    }
  } finally {
    await gateway.close();
  }
}

/** A gateway closed with the test. @param yaml the configuration without credentials */
export async function testGateway(t: Test, yaml: string): Promise<TestGateway> {
  const gateway = await startTestGateway(`${CREDENTIALS}\n${yaml}`);
  t.teardown(() => gateway.close());
  return gateway;
}

/** A cache for a configuration: memory for what is small, and a disk of the test's own. */
export function cacheIn(t: Test): string {
  return `cache: { memory: 64MiB, disk: { path: ${JSON.stringify(diskFolder(t))}, size: 1GiB, minFree: 1MiB }, verify: 1 }\n`;
}

/** Runs a system's replay on each backend, one after another. */
export function onEachBackend(play: (t: Test, backend: Backend) => Promise<void>): void {
  t.setTimeout(600_000);
  for (const source of backends(process.env.BACKEND)) {
    const skip = source.missing.length > 0 ? `not installed: ${source.missing.join(', ')}` : false;
    t.test(source.name, { skip, timeout: 600_000 }, async (t) => play(t, await source.start(t)));
  }
}
