import { rmSync } from 'node:fs';
import t, { type Test } from 'tap';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../support/gateway.ts';
import { STAND_INS, type StandInName } from '../vendors/rows.ts';
import { STAND_IN_KEY, type StandIn, startStandIn } from '../vendors/stand-in.ts';
import { type Content, contentOf, MODES, type ModeName, upload } from './uploads.ts';

const MiB = 2 ** 20;
const NAMES = Object.keys(STAND_INS).filter(
  (name): name is StandInName => process.env.VENDOR === undefined || process.env.VENDOR.split(',').includes(name),
);
const MODE_NAMES = Object.keys(MODES) as ModeName[];
const key = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY };
const bucket = 'uploads-1250000000';

/** 64 MiB unless asked for more: `UPLOAD_MIB=1024` is the gigabyte. */
const large = Number(process.env.UPLOAD_MIB ?? '64') * MiB;

t.setTimeout(3_600_000);
const small = await contentOf(5 * MiB + 1, 5);
const content = await contentOf(large, 7);

for (const [index, name] of NAMES.entries()) {
  t.test(`uploads arrive byte for byte at ${name}`, { timeout: 3_600_000 }, async (t) => {
    const standIn = await startStandIn(name);
    t.teardown(() => standIn.close());
    standIn.buckets.set(bucket, { created: new Date(), objects: new Map(), uploads: new Map() });
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
    for (const mode of MODE_NAMES) {
      const told = await upload(small, { mode, port: gateway.port, path: `/${bucket}/small`, key, count: () => {} });
      holds(t, standIn, { told, mode, content: small, object: 'small' });
    }
    // Each vendor gets the large one in two modes, each mode goes to two vendors and more.
    const modes = large > 64 * MiB ? MODE_NAMES : [0, 5].map((step) => MODE_NAMES[(index + step) % MODE_NAMES.length]);
    for (const mode of modes) {
      if (mode === undefined) continue;
      const before = standIn.blobs.received;
      let sent = 0;
      let held = 0;
      const count = (bytes: number): void => {
        sent += bytes;
        held = Math.max(held, sent - (standIn.blobs.received - before));
      };
      const told = await upload(content, { mode, port: gateway.port, path: `/${bucket}/large`, key, count });
      holds(t, standIn, { told, mode, content, object: 'large' });
      // What has left the client and not come to the vendor is in the gateway or in sockets, whose windows grow to some MiB.
      t.ok(held < 32 * MiB, `${mode}: at most ${Math.ceil(held / MiB)} of ${large / MiB} MiB were on the way at once`);
    }
  });
}

function holds(
  t: Test,
  { buckets, refused }: StandIn,
  found: {
    readonly told: { readonly status: number; readonly text: string };
    readonly mode: ModeName;
    readonly content: Content;
    readonly object: string;
  },
): void {
  const { told, mode, content, object } = found;
  const said = refused.splice(0).map(({ status, code, message }) => `${status} ${code} ${message}`);
  t.equal(told.status, 200, [mode, told.text, ...said].join(' ').trim());
  const objects = buckets.get(bucket)?.objects;
  const [blob, ...more] = objects?.get(object)?.blobs ?? [];
  t.strictSame([blob?.size, blob?.md5, more.length], [content.size, content.md5, 0], `${mode}: ${content.size} bytes`);
  objects?.delete(object);
  if (typeof blob?.place === 'string') rmSync(blob.place);
}
