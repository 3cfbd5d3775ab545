import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import t from 'tap';
import { createChecksum } from '../../src/s3/checksum.ts';
import { unpackRecord } from '../../src/store/azure/record.ts';
import type { PutObjectInput } from '../../src/store/object-store.ts';
import { type AzureAnswer, azureStandIn, blobHeaders } from '../support/azure-stand-in.ts';
import { generatedBytes } from '../support/generated.ts';

const { signal } = new AbortController();
const large = generatedBytes(300_000, 1);
const sum = createChecksum('CRC32');
sum.update(large);
const checksum = { algorithm: 'CRC32', value: sum.digest() } as const;
const put = (storageClass: string, body: Buffer): PutObjectInput => ({
  ...{ bucket: 'bucket', key: 'key', systemHeaders: new Map(), userMetadata: new Map(), tags: [], storageClass },
  ...{ conditions: {}, body: Readable.from([body]), length: body.byteLength, checksum: () => checksum },
});
const done: AzureAnswer = { status: 201, headers: blobHeaders({ 'x-ms-copy-status': 'success' }) };

t.test('a storage class is a tier, and what the account has no tier for is no storage class', async (t) => {
  const tiers = {
    STANDARD: undefined,
    REDUCED_REDUNDANCY: undefined,
    INTELLIGENT_TIERING: undefined,
    STANDARD_IA: 'Cool',
    ONEZONE_IA: 'Cool',
    GLACIER_IR: 'Cold',
    GLACIER: 'Archive',
    DEEP_ARCHIVE: 'Archive',
  };
  const { store, seen } = await azureStandIn(t, () => done);
  for (const [storageClass, tier] of Object.entries(tiers)) {
    await store.putObject(put(storageClass, Buffer.from('x')), signal);
    t.equal(seen.at(-1)?.headers['x-ms-access-tier'], tier, storageClass);
  }
  const premium = await azureStandIn(t, () => ({ status: 409, code: 'BlobAccessTierNotSupportedForAccountType' }));
  await t.rejects(premium.store.putObject(put('STANDARD_IA', Buffer.from('x')), signal), {
    code: 'InvalidStorageClass',
  });
});

t.test(
  'an object that goes to the archive has its checksum before it is there, as nothing can be added then',
  async (t) => {
    let isArchived = false;
    const { store, seen } = await azureStandIn(t, ({ method, what, headers }) => {
      if (method === 'DELETE') return { status: 202 };
      if (what.startsWith('PUT /bucket/key')) {
        if (isArchived) return { status: 409, code: 'BlobArchived' };
        isArchived = headers['x-ms-access-tier'] === 'Archive';
      }
      return done;
    });
    const { etag } = await store.putObject(put('GLACIER', large), signal);
    t.equal(etag, createHash('md5').update(large).digest('hex'));
    t.ok(isArchived);
    const made = seen.filter(({ what }) => what.startsWith('PUT /bucket/key'));
    t.equal(made.length, 1, 'in one instant');
    t.match(unpackRecord(String(made[0]?.headers['x-ms-meta-sluice'])).checksum, { ...checksum, etag });
  },
);
