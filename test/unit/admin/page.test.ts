import t from 'tap';
import type { CacheCounts } from '../../../src/admin/figures.ts';
import { renderPage } from '../../../src/admin/page.ts';
import type { AdminSources } from '../../../src/admin/sources.ts';

const COUNTS: CacheCounts = {
  usage: { memory: { bytes: 3 * 2 ** 20, count: 12, size: 2 ** 29 }, disk: undefined },
  rules: [
    {
      rule: 'zadig **/cache/**',
      requests: { 'GET hit': 6, 'GET revalidated': 2, 'GET miss': 2, 'GET bypass': 90, 'HEAD miss': 1 },
      bytes: { hit: 2 ** 30, miss: 2 ** 30, bypass: 2 ** 40 },
      bytesFetched: 2 ** 30,
      revalidations: { unchanged: 2, changed: 0 },
      verified: { right: 0, stale: 0 },
    },
  ],
  counters: { fills: 2, damaged: 0, diskErrors: 3 },
  evictions: {},
  ageBounds: [],
};

function sources(more: Partial<AdminSources> = {}): AdminSources {
  const never = (): never => {
    throw new Error('not asked by the page');
  };
  const cache = { stats: () => COUNTS, list: never, purge: never, warm: never, progress: never };
  return {
    version: '1.2.3',
    endpoint: 'http://127.0.0.1:9000',
    storages: () => [
      { name: 'hangzhou', provider: 'oss', place: 'https://oss.example', isDefault: true },
      { name: '<b>', provider: 'other', place: 'http://other.example', isDefault: false },
    ],
    probe: never,
    metrics: never,
    cache: () => cache,
    cleanup: { state: () => undefined, start: never },
    ...more,
  };
}

function textOf(html: string): string {
  return html
    .replaceAll(/<style>[^<]*<\/style>/g, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/ +/g, ' ');
}

t.test('the page tells which storage is ready, and escapes what it shows', async (t) => {
  const html = renderPage(sources(), [
    { name: 'hangzhou', isReady: true },
    { name: '<b>', isReady: false },
  ]);
  t.match(textOf(html), 'hangzhou (default) oss https://oss.example ready');
  t.match(html, '<td>&lt;b&gt;</td>');
  t.notMatch(html, '<b>');
  t.match(html, '<span class="bad">not ready</span>');
});

t.test('the page tells what the cache holds and saved by rule, without what is bypassed', async (t) => {
  const text = textOf(renderPage(sources(), []));
  t.match(text, 'memory 3.0 MiB of 512.0 MiB 12');
  t.notMatch(text, 'disk ');
  t.match(text, 'zadig **/cache/** 10 80.0% 1 0.0% 2.0 GiB 1.0 GiB 50.0% 1.0 GiB');
  t.match(text, 'diskErrors: 3');
  t.notMatch(text, 'damaged');
});

t.test('the page says so where nothing is cached or cleaned up', async (t) => {
  const text = textOf(renderPage(sources({ cache: () => undefined }), []));
  t.match(text, 'No bucket is cached.');
  t.match(text, 'None is configured.');
});

t.test('the page tells when clean-up runs and what the last run did', async (t) => {
  const state = {
    schedule: '0 3 * * *',
    incompleteUploads: 86_400_000,
    next: new Date('2026-11-28T03:00:00Z'),
    last: {
      began: new Date('2026-11-27T03:00:00Z'),
      state: 'failed',
      isDryRun: false,
      storages: new Map([['hangzhou', { uploads: 7, aborted: 4, probes: 1, errors: 2, isPartial: false }]]),
      removed: [],
    },
  };
  const start = (): undefined => undefined;
  const first = textOf(renderPage(sources({ cleanup: { state: () => ({ ...state, last: undefined }), start } }), []));
  t.match(first, 'next 2026-11-28T03:00:00.000Z. It has not run yet.');
  const text = textOf(renderPage(sources({ cleanup: { state: () => state, start } }), []));
  t.match(text, 'Run of 2026-11-27T03:00:00.000Z: failed.');
  t.match(text, 'hangzhou 7 4 1 2');
});
