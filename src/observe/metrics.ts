import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RequestRecord } from '../http/server.ts';
import type { CacheFigures } from './cache-figures.ts';
import { addCacheMetrics } from './cache-metrics.ts';
import { addCleanupMetrics, type CleanupCounts } from './cleanup-metrics.ts';

/** What Sluice counts about itself, in Prometheus' terms. Labels are bounded: never a key, never a bucket. */
export interface Metrics {
  observe(record: RequestRecord): void;
  /** Adds the figures of the cache, read whenever the metrics are. */
  readCache(read: () => CacheFigures | undefined): void;
  /** Adds the figures of clean-up, likewise. */
  readCleanup(read: () => CleanupCounts | undefined): void;
  /** The text exposition format. */
  render(): Promise<string>;
}

/** Requests counted together: one by one, each finds the library out of the processor's caches, at several times the cost. */
const BATCH = 64;

/** Makes an own registry, so that two gateways in one process do not share their counts. */
export function createMetrics(version: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'sluice_' });
  const registers = [registry];
  const labels = ['operation', 'storage', 'status'] as const;
  const info = new Gauge({ name: 'sluice_info', help: 'Version.', labelNames: ['version'], registers });
  info.set({ version }, 1);
  const requests = new Counter({ name: 'sluice_requests_total', help: 'Requests.', labelNames: labels, registers });
  const duration = new Histogram({
    name: 'sluice_request_duration_seconds',
    help: 'From the request head to the last byte of the answer.',
    labelNames: ['operation'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600],
    registers,
  });
  const received = new Counter({
    name: 'sluice_received_bytes_total',
    help: 'Bytes from clients, heads included.',
    registers,
  });
  const sent = new Counter({ name: 'sluice_sent_bytes_total', help: 'Bytes to clients, heads included.', registers });
  const pending: RequestRecord[] = [];
  const count = (): void => {
    for (const { operation, notes, status, durationMs, bytesReceived, bytesSent } of pending) {
      requests.inc({ operation, storage: String(notes.get('storage') ?? ''), status });
      duration.observe({ operation }, durationMs / 1000);
      received.inc(bytesReceived);
      sent.inc(bytesSent);
    }
    pending.length = 0;
  };
  return {
    observe: (record) => {
      if (pending.push(record) === BATCH) count();
    },
    readCache: (read) => addCacheMetrics(registry, read),
    readCleanup: (read) => addCleanupMetrics(registry, read),
    render: () => {
      count();
      return registry.metrics();
    },
  };
}
