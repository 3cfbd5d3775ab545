import { Counter, Gauge, type Histogram, type Registry } from 'prom-client';
import { type CacheFigures, FROM_CACHE } from './cache-figures.ts';

/**
 * Adds the cache's figures, read when they are asked for. Labels are rules of the configuration, never keys.
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
  counter('saved_bytes_total', 'Bytes of objects sent that were not fetched for it.', ['rule'], (add, { stats }) => {
    for (const { rule, bytes } of stats.rules) {
      const saved = Object.entries(bytes).filter(([result]) => FROM_CACHE.has(result));
      const sum = saved.reduce((total, [, count]) => total + count, 0);
      add({ rule }, sum);
    }
  });
  counter('revalidations_total', 'Questions whether a version is current.', ['rule', 'answer'], (add, { stats }) => {
    for (const { rule, revalidations } of stats.rules) {
      for (const [answer, count] of Object.entries(revalidations)) add({ rule, answer }, count);
    }
  });
  counter('verified_total', 'Hits checked with the storage afterwards.', ['rule', 'found'], (add, { stats }) => {
    for (const { rule, verified } of stats.rules) {
      for (const [found, count] of Object.entries(verified)) add({ rule, found }, count);
    }
  });
  counter('events_total', 'Fills, what was kept, damage and so on.', ['event'], (add, { stats }) => {
    for (const [event, count] of Object.entries(stats.counters)) add({ event }, count);
  });
  addEvictions(registry, read);
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

/** prom-client fills its histograms itself, one value after the other; these are counted already. */
function addEvictions(registry: Registry, read: () => CacheFigures | undefined): void {
  const name = 'sluice_cache_evicted_age_seconds';
  const help = 'For how long what was evicted had been here.';
  const get = async () => {
    const { evictions = {}, ageBounds = [] } = read()?.stats ?? {};
    const values = Object.entries(evictions).flatMap(([tier, { counts, age }]) => {
      let below = 0;
      const buckets = counts.map((count, index) => {
        below += count;
        return { metricName: `${name}_bucket`, labels: { tier, le: ageBounds[index] ?? '+Inf' }, value: below };
      });
      const sum = { metricName: `${name}_sum`, labels: { tier }, value: age };
      return [...buckets, sum, { metricName: `${name}_count`, labels: { tier }, value: below }];
    });
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  };
  // A registry asks its metrics for no more than this.
  registry.registerMetric({ name, get, reset: () => undefined } as unknown as Histogram);
}

type Add = (labels: Readonly<Record<string, string>>, value: number) => void;
