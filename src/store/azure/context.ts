import type { AzureClient } from './client.ts';
import type { Uploads } from './uploads.ts';

/** What the store's methods share. */
export interface Context {
  readonly client: AzureClient;
  /** Milliseconds. */
  readonly now: () => number;
  /** Whether the account's own tags may be used. */
  readonly hasTags: boolean;
  readonly uploads: Uploads;
}
