import t from 'tap';
import { serve } from '../../src/store/serve.ts';
import { azuriteAccount, startAzurite, testAzureStore } from '../support/azurite.ts';
import { CONTRACT_PARTS, handlerContract } from './object-store.ts';

const azurite = await startAzurite();
t.teardown(() => azurite.stop());

// Listings, which take a minute on Azurite, are in test/interop/azure-contract.test.ts.
const parts = CONTRACT_PARTS.filter((part) => part !== 'listing');

await handlerContract(t, async (t) => serve(testAzureStore(t, azuriteAccount(azurite)).store), { parts });
