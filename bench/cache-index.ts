/**
 * How long a disk cache of a million entries takes to start, and what it weighs.
 *
 *   node bench/cache-index.ts [entries, 1000000]
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createChunkPool } from '../src/cache/chunk-pool.ts';
import { DiskIndex } from '../src/cache/disk/entry-index.ts';
import { createJournal } from '../src/cache/disk/journal.ts';
import { openDiskStore } from '../src/cache/disk/store.ts';
import { objectId } from '../src/cache/identity.ts';
import { NODE_FLAGS } from './processes.ts';

const entries = Number(process.argv[2] ?? 1_000_000);
const made = process.argv[3];

if (made === undefined) {
  const path = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  await make(path);
  // In a process of its own: what making it left in memory does not count.
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...NODE_FLAGS,
    import.meta.filename,
    String(entries),
    path,
  ]);
  process.stdout.write(stdout);
  rmSync(path, { recursive: true });
} else {
  await measure(made);
}

async function make(path: string): Promise<void> {
  await (await open(path)).close();
  const index = new DiskIndex();
  for (let each = 0; each < entries; each++) {
    const key = `objects/a/b/c/${each.toString(16).padStart(32, '0')}`;
    const name = { storage: 'vendor', place: 'https://vendor.example', bucket: 'bucket', key };
    const id = objectId(name);
    const times = { lastModified: 1.7e12, validatedAt: 1.7e12, storedAt: 1.7e12 };
    index.add({ id, name, file: id.slice(0, 24), etag: id, size: 20_000, isConfirmed: true, ...times }, 0);
  }
  const onError = (error: unknown): never => {
    throw error;
  };
  await createJournal({ path: join(path, 'sluice-cache-v1/index'), index, onError }).compact();
}

async function measure(path: string): Promise<void> {
  const before = process.memoryUsage.rss();
  const cpu = process.cpuUsage();
  const started = performance.now();
  const store = await open(path);
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  const bytes = (process.memoryUsage.rss() - before) / store.count;
  process.stdout.write(
    `an index of ${store.count} entries is there after ${ms.toFixed(0)} ms, ${((user + system) / 1000).toFixed(0)} ms of CPU; ${bytes.toFixed(0)} bytes resident for each\n`,
  );
}

function open(path: string) {
  return openDiskStore({
    path,
    size: 2 ** 50,
    minFree: 0,
    chunks: createChunkPool(2 ** 20),
    now: Date.now,
    log: { warn: () => undefined, info: () => undefined },
    onEvicted: () => undefined,
    onError: () => undefined,
  });
}
