/** What a run found and did at one storage. Kept up to date while it works. */
export interface StorageReport {
  /** Uploads in parts that were open. */
  uploads: number;
  /** Of these, how many were given up and removed; in a dry run, would have been. */
  aborted: number;
  /** Objects that killed runs of `sluice check` had left, likewise. */
  probes: number;
  errors: number;
  /** What Sluice did in the storage's stead to have a list at all. */
  emulated?: string;
  /** Buckets that the configuration does not name are here as well, and were left alone. */
  isPartial: boolean;
}

/** An upload that was removed, for whoever asks the admin port. */
export interface RemovedUpload {
  readonly storage: string;
  /** The storage's own names. */
  readonly bucket: string;
  readonly key: string;
  readonly lastActivity: Date;
}

/** One run. */
export interface Report {
  readonly began: Date;
  ended?: Date;
  /** `failed`: it came to its end, and something went wrong on the way. `stopped`: it did not. */
  state: 'running' | 'done' | 'failed' | 'stopped';
  readonly isDryRun: boolean;
  readonly storages: Map<string, StorageReport>;
  /** The first thousand. */
  readonly removed: RemovedUpload[];
}

const MOST_REMOVED = 1000;

export function beginReport(began: Date, isDryRun: boolean): Report {
  return { began, state: 'running', isDryRun, storages: new Map(), removed: [] };
}

/** The part of a report that is a storage's; begun when there is none. */
export function reportOn(report: Report, storage: string): StorageReport {
  const found = report.storages.get(storage) ?? { uploads: 0, aborted: 0, probes: 0, errors: 0, isPartial: false };
  report.storages.set(storage, found);
  return found;
}

export function noteRemoved({ removed }: Report, upload: RemovedUpload): void {
  if (removed.length < MOST_REMOVED) removed.push(upload);
}

/** What a report comes to over all storages. */
export function totals({ storages }: Report): Readonly<Record<'uploads' | 'aborted' | 'probes' | 'errors', number>> {
  const sums = { uploads: 0, aborted: 0, probes: 0, errors: 0 };
  for (const { uploads, aborted, probes, errors } of storages.values()) {
    sums.uploads += uploads;
    sums.aborted += aborted;
    sums.probes += probes;
    sums.errors += errors;
  }
  return sums;
}
