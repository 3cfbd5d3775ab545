import { Counter, Gauge, type Registry } from 'prom-client';

/** What the metrics want to know of the cache; its own shape fits. */
export interface CacheFigures {
  readonly usage: Readonly<
    Record<string, { readonly bytes: number; readonly count: number; readonly size: number } | undefined>
  >;
  readonly stats: {
    readonly rules: readonly {
      readonly rule: string;
      readonly requests: Readonly<Record<string, number>>;
      readonly bytes: Readonly<Record<string, number>>;
      readonly bytesFetched: number;
    }[];
    readonly counters: Readonly<Record<string, number>>;
    readonly evictedAge: number;
  };
}

/**
 * Adds the cache's figures, read when they are asked for. Labels are rules of the configuration, never keys. Bytes saved
 * are `sent` of all results but miss and bypass, less `fetched`.
 * @param read undefined while there is no cache
 */
export function addCacheMetrics(registry: Registry, read: () => CacheFigures | undefined): void {
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[], fill: (add: Add, figures: CacheFigures) => void) =>
    new Counter({
      name: `sluice_cache_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        const figures = read();
        if (figures !== undefined) fill((labels, value) => this.inc(labels, value), figures);
      },
    });
  counter('requests_total', 'Reads by rule and result.', ['rule', 'method', 'result'], (add, { stats }) => {
    for (const { rule, requests } of stats.rules) {
      for (const [name, count] of Object.entries(requests)) {
        const [method = '', result = ''] = name.split(' ');
        add({ rule, method, result }, count);
      }
    }
  });
  counter('sent_bytes_total', 'Bytes of objects sent to clients.', ['rule', 'result'], (add, { stats }) => {
    for (const { rule, bytes } of stats.rules) {
      for (const [result, count] of Object.entries(bytes)) add({ rule, result }, count);
    }
  });
  counter('fetched_bytes_total', 'Bytes of objects fetched from storages.', ['rule'], (add, { stats }) => {
    for (const { rule, bytesFetched } of stats.rules) add({ rule }, bytesFetched);
  });
  counter('events_total', 'Revalidations, fills, evictions and so on.', ['event'], (add, { stats }) => {
    for (const [event, count] of Object.entries(stats.counters)) add({ event }, count);
  });
  counter('evicted_age_seconds_total', 'For how long what was evicted had been here.', [], (add, { stats }) => {
    add({}, stats.evictedAge);
  });
  const gauge = (name: 'bytes' | 'count' | 'size', help: string) =>
    new Gauge({
      name: `sluice_cache_${name}`,
      help,
      labelNames: ['tier'],
      registers,
      collect() {
        this.reset();
        for (const [tier, usage] of Object.entries(read()?.usage ?? {})) {
          if (usage !== undefined) this.set({ tier }, usage[name]);
        }
      },
    });
  gauge('bytes', 'Bytes taken.');
  gauge('count', 'Objects held.');
  gauge('size', 'Bytes that may be taken.');
}

type Add = (labels: Readonly<Record<string, string>>, value: number) => void;
