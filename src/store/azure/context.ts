import type { AccountTraits } from './account-traits.ts';
import type { AzureClient } from './client.ts';
import type { Delivery } from './delivery.ts';
import type { Uploads } from './uploads.ts';

/** What the store's methods share. */
export interface Context {
  readonly client: AzureClient;
  /** Milliseconds. */
  readonly now: () => number;
  readonly traits: AccountTraits;
  readonly uploads: Uploads;
  /** Undefined: every byte passes through here. */
  readonly delivery: Delivery | undefined;
}
