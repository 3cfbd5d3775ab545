import t, { type Test } from 'tap';
import { serve } from '../../src/store/serve.ts';
import { handlerContract } from '../contract/object-store.ts';
import { routedTraits } from '../contract/suite/traits.ts';
import { azureFront } from '../support/azure-front.ts';
import { azureConfig } from '../support/azure-gateway.ts';
import { azuriteAccount, startAzurite, testAzureStore } from '../support/azurite.ts';
import { configuredHandler } from '../support/configured-handler.ts';
import { selfSigned } from '../support/self-signed.ts';

/** Listings take half a minute on Azurite. */
const timeout = 10 * 60_000;
t.setTimeout(3 * timeout);

const PREFIX = 'team ü/';
/** Every bucket that the suite writes into, but for those that it makes in order to remove them. */
const BUCKETS = ['objects', 'keys', 'reads', 'writes', 'deletion', 'multipart', 'uploads', 'checksums'];

await t.test('listings', { timeout }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const start = async () => serve(testAzureStore(t, azuriteAccount(azurite)).store);
  await handlerContract(t, start, { parts: ['listing'] });
});

await t.test('over HTTPS, where Azure tells the MD5 of parts', { timeout }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const certificate = await selfSigned(t.testdir(), 'localhost');
  const front = await azureFront(t, azurite, { certificate, tellsMd5: true });
  const yaml = azureConfig(front, `, prefix: "${PREFIX}", ca: ${certificate.certFile}`);
  const start = (t: Test) => configuredHandler(t, yaml.replace('protocol: http', 'protocol: https'));
  const parts = ['multipart', 'multipart checksums'] as const;
  await handlerContract(t, start, { parts, traits: routedTraits(PREFIX) });
  t.ok(front.told > 10, 'and it did');
});

await t.test('behind the prefix of a storage', { timeout }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const yaml = azureConfig(azurite, `, prefix: "${PREFIX}", dotSegments: allow`);
  await handlerContract(t, (t) => configuredHandler(t, yaml), { traits: routedTraits(PREFIX) });
});

await t.test('behind entries of the configuration with a prefix, all in one container', { timeout }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const entries = BUCKETS.map(
    (name) => `  - { name: ${name}, storage: azure, bucket: shared, prefix: "${PREFIX}${name}/" }\n`,
  );
  const yaml = `${azureConfig(azurite, ', dotSegments: allow')}buckets:\n${entries.join('')}`;
  // Each part has one bucket at least with a name as long as this.
  for (const part of ['objects', 'reads', 'writes', 'deletion', 'multipart', 'multipart checksums'] as const) {
    const traits = routedTraits(`${PREFIX}${part.split(' ').at(-1)}/`, false);
    await handlerContract(t, (t) => configuredHandler(t, yaml), { parts: [part], traits });
  }
});
