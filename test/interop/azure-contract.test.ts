import { createSecretKey } from 'node:crypto';
import t, { type Test } from 'tap';
import { buildCatalog } from '../../src/route/catalog.ts';
import { route } from '../../src/route/router.ts';
import type { Handler } from '../../src/s3/message.ts';
import { serve } from '../../src/store/serve.ts';
import { handlerContract } from '../contract/object-store.ts';
import { azuriteAccount, startAzurite, testAzureStore } from '../support/azurite.ts';

const azurite = await startAzurite();
t.teardown(() => azurite.stop());

const start = async (t: Test): Promise<Handler> => serve(testAzureStore(t, azuriteAccount(azurite)).store);

/** The same behind a prefix, which the routing puts before every key. */
async function startPrefixed(t: Test): Promise<Handler> {
  const storage = {
    name: 'azure',
    handler: await start(t),
    prefix: 'team ü/',
    default: true,
    projects: 'all' as const,
    dotSegments: 'allow' as const,
    tokenKey: createSecretKey(Buffer.from('a secret of the tests')),
  };
  return route(buildCatalog({ credentials: [{ name: 'test', accessKey: 'LOCAL' }], storages: [storage], buckets: [] }));
}

await t.test('listings', async (t) => handlerContract(t, start, { parts: ['listing'] }));

// The other parts ask for whole buckets, or for keys of 1,024 bytes, which are too long with a prefix.
await t.test('behind a prefix', async (t) => {
  await handlerContract(t, startPrefixed, { parts: ['reads', 'writes', 'multipart checksums'] });
});
