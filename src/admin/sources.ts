import type { CacheSource } from './cache-api.ts';
import type { CleanupSource } from './cleanup-api.ts';

/** What the admin port shows. */
export interface AdminSources {
  readonly version: string;
  /** Where the S3 port listens, as a URL. */
  readonly endpoint: string;
  /** The storages with what they are; no secrets. */
  readonly storages: () => readonly StorageSummary[];
  /** Checks every storage now. */
  readonly probe: () => Promise<readonly StorageHealth[]>;
  readonly metrics: () => Promise<string>;
  /** Undefined while nothing is cached. */
  readonly cache: () => CacheSource | undefined;
  readonly cleanup: CleanupSource;
}

export interface StorageSummary {
  readonly name: string;
  readonly provider: string;
  readonly place: string;
  readonly isDefault: boolean;
}

export interface StorageHealth {
  readonly name: string;
  readonly isReady: boolean;
}
