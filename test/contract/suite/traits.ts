import { MAX_KEY_BYTES } from '../../../src/s3/address.ts';

/** What may differ between handlers that keep the contract, each for a reason of its nature. */
export interface Traits {
  /** Bytes of the longest key: a prefix that goes before every key leaves less than S3's 1,024. */
  readonly longestKey: number;
  /** The router joins and splits DeleteObjects documents, so it takes more of them, and digests its own anew. */
  readonly deletion: { readonly keys: number; readonly bytes: number; readonly wantsDigest: boolean };
  /** Where names are rewritten the settings of the whole bucket are nobody's to see or to set (facts S32). */
  readonly settings: 'own' | 'hidden';
  /** Buckets that the configuration names are not removed over S3. */
  readonly areBucketsRemoved: boolean;
}

/** A store, asked directly. */
export const STORE_TRAITS: Traits = {
  longestKey: MAX_KEY_BYTES,
  deletion: { keys: 1000, bytes: 1024 * 1024, wantsDigest: true },
  settings: 'own',
  areBucketsRemoved: true,
};

/** A storage behind the router. @param prefix goes before every key there */
export function routedTraits(prefix: string, areBucketsRemoved = true): Traits {
  return {
    longestKey: MAX_KEY_BYTES - Buffer.byteLength(prefix),
    deletion: { keys: 10_000, bytes: 4 * 1024 * 1024, wantsDigest: false },
    settings: 'hidden',
    areBucketsRemoved,
  };
}
