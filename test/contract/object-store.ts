import type { Test } from 'tap';
import type { Handler } from '../../src/s3/message.ts';
import { bucketContract } from './suite/buckets.ts';
import { clientOf } from './suite/client.ts';
import { deletionContract } from './suite/deletion.ts';
import { listingContract } from './suite/listing.ts';
import { multipartContract } from './suite/multipart.ts';
import { multipartChecksumContract } from './suite/multipart-checksums.ts';
import { objectContract } from './suite/objects.ts';
import { readContract } from './suite/reads.ts';
import { STORE_TRAITS, type Traits } from './suite/traits.ts';
import { writeContract } from './suite/writes.ts';

const PARTS = {
  buckets: bucketContract,
  objects: objectContract,
  reads: readContract,
  writes: writeContract,
  deletion: deletionContract,
  listing: listingContract,
  multipart: multipartContract,
  'multipart checksums': multipartChecksumContract,
};

export type ContractPart = keyof typeof PARTS;

/** The names of all parts. */
export const CONTRACT_PARTS = Object.keys(PARTS) as readonly ContractPart[]; // Its keys are that type.

/**
 * What any handler that stands for a store must do, by what a client sees of it.
 * @param start gives a handler over an empty store, which it closes with the test's teardown
 * @param options `parts` names those to be held to, all unless given; `traits` are what this handler is by nature
 */
export async function handlerContract(
  t: Test,
  start: (t: Test) => Promise<Handler>,
  {
    parts = CONTRACT_PARTS,
    traits = STORE_TRAITS,
  }: { readonly parts?: readonly ContractPart[]; readonly traits?: Traits } = {},
): Promise<void> {
  for (const name of parts) {
    await t.test(name, async (t) => PARTS[name](t, clientOf(await start(t)), traits));
  }
}
