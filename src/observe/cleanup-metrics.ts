import { Counter, Gauge, type Registry } from 'prom-client';

/** What the metrics want to know of clean-up; its own shape fits. */
export interface CleanupCounts {
  readonly runs: Readonly<Record<string, number>>;
  readonly storages: ReadonlyMap<string, Readonly<Record<'aborted' | 'probes' | 'errors', number>>>;
  readonly open: ReadonlyMap<string, number>;
  readonly lastEnd: number | undefined;
  readonly lastSeconds: number | undefined;
}

type StorageCount = 'aborted' | 'probes' | 'errors';

const COUNTERS: readonly (readonly [name: string, help: string, count: StorageCount])[] = [
  ['uploads_aborted_total', 'Uploads in parts that were given up and removed.', 'aborted'],
  ['probes_removed_total', 'Objects removed that killed runs of sluice check had left.', 'probes'],
  ['errors_total', 'What could not be listed, looked at or removed.', 'errors'],
];

const LAST: readonly (readonly [name: string, help: string, figure: 'lastEnd' | 'lastSeconds'])[] = [
  ['last_end_timestamp_seconds', 'When the last run ended that was not stopped.', 'lastEnd'],
  ['last_duration_seconds', 'How long that run took.', 'lastSeconds'],
];

/**
 * Adds the figures of clean-up, read when they are asked for.
 * @param read undefined while none is configured
 */
export function addCleanupMetrics(registry: Registry, read: () => CleanupCounts | undefined): void {
  const registers = [registry];
  new Counter({
    name: 'sluice_cleanup_runs_total',
    help: 'Runs by how they ended; failed ones came to their end with errors.',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(read()?.runs ?? {})) this.inc({ result }, count);
    },
  });
  for (const [name, help, count] of COUNTERS) {
    new Counter({
      name: `sluice_cleanup_${name}`,
      help,
      labelNames: ['storage'],
      registers,
      collect() {
        this.reset();
        for (const [storage, counts] of read()?.storages ?? []) this.inc({ storage }, counts[count]);
      },
    });
  }
  new Gauge({
    name: 'sluice_cleanup_open_uploads',
    help: 'Uploads in parts that the last run found and left.',
    labelNames: ['storage'],
    registers,
    collect() {
      this.reset();
      for (const [storage, count] of read()?.open ?? []) this.set({ storage }, count);
    },
  });
  for (const [name, help, figure] of LAST) {
    new Gauge({
      name: `sluice_cleanup_${name}`,
      help,
      registers,
      collect() {
        // Before the first run there is no time to tell.
        this.remove();
        const value = read()?.[figure];
        if (value !== undefined) this.set(value);
      },
    });
  }
}
