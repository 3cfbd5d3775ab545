import type { RuleFigures } from '../observe/cache-figures.ts';
import { escapeXml } from '../s3/xml.ts';
import type { CleanupView } from './cleanup-api.ts';
import { bytesOf, type CacheCounts, formatBytes, formatShare, requestsOf } from './figures.ts';
import type { AdminSources, StorageHealth } from './sources.ts';

/** Text that is HTML already. */
class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Cell = string | number | undefined | Html;

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; }
h2 { margin-top: 2rem; }
.wide { margin: 1rem 0; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid #8884; padding: .4rem .6rem; text-align: left; white-space: nowrap; }
.number { font-variant-numeric: tabular-nums; text-align: right; }
.bad { color: #c22; font-weight: 600; }
meter { vertical-align: middle; width: 10rem; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; } a { color: #8cf; } .bad { color: #f77; } }
`;

/**
 * The page as HTML, complete, without scripts: the storages and whether they answer, what the cache holds and saved, and
 * when clean-up runs. Every value is escaped.
 */
export function renderPage(sources: AdminSources, states: readonly StorageHealth[]): string {
  const counts = sources.cache()?.stats();
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sluice</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Sluice ${escapeXml(sources.version)}</h1>
<p>S3 endpoint: <code>${escapeXml(sources.endpoint)}</code></p>
<h2>Storages</h2>
${storagesTable(sources, states)}
<h2>Cache</h2>
${counts === undefined ? '<p>No bucket is cached.</p>' : cacheTables(counts)}
<h2>Clean-up</h2>
${cleanupText(sources.cleanup.state())}
<p><a href="/metrics">Metrics</a></p>
</body>
</html>
`;
}

function storagesTable(sources: AdminSources, states: readonly StorageHealth[]): string {
  const ready = new Set(states.filter((state) => state.isReady).map((state) => state.name));
  const rows = sources.storages().map(({ name, provider, place, isDefault }) => {
    const state = ready.has(name) ? 'ready' : new Html('<span class="bad">not ready</span>');
    return [name + (isDefault ? ' (default)' : ''), provider, place, state];
  });
  return table(['Name', 'Provider', 'Place', 'State'], rows);
}

function cacheTables({ usage, rules, counters }: CacheCounts): string {
  const tiers = Object.entries(usage).flatMap(([tier, used]) => {
    if (used === undefined) return [];
    const { bytes, count, size } = used;
    const meter = new Html(`<meter min="0" max="${size}" value="${bytes}"></meter>`);
    return [[tier, meter, `${formatBytes(bytes)} of ${formatBytes(size)}`, count]];
  });
  const trouble = ['damaged', 'diskErrors'].filter((name) => (counters[name] ?? 0) > 0);
  return [
    table(['Tier', 'Use', '', 'Objects'], tiers, 2),
    table(
      ['Rule', 'GET', 'from here', 'HEAD', 'from here', 'Sent', 'Saved', 'from here', 'Fetched'],
      rules.map(ruleCells),
      1,
    ),
    ...trouble.map((name) => `<p class="bad">${escapeXml(`${name}: ${counters[name]}`)}</p>`),
  ].join('\n');
}

function ruleCells(rule: RuleFigures): readonly Cell[] {
  const [gets, heads, bytes] = [requestsOf(rule, 'GET'), requestsOf(rule, 'HEAD'), bytesOf(rule)];
  return [
    rule.rule,
    gets.all,
    formatShare(gets),
    heads.all,
    formatShare(heads),
    formatBytes(bytes.all),
    formatBytes(bytes.fromHere),
    formatShare(bytes),
    formatBytes(rule.bytesFetched),
  ];
}

function cleanupText(state: CleanupView | undefined): string {
  if (state === undefined) return '<p>None is configured.</p>';
  const { schedule, next, last } = state;
  const when = `Runs at <code>${escapeXml(schedule)}</code>${next === undefined ? '' : `, next ${next.toISOString()}`}.`;
  if (last === undefined) return `<p>${when} It has not run yet.</p>`;
  const rows = [...last.storages].map(([name, { uploads, aborted, probes, errors }]) => [
    name,
    uploads,
    aborted,
    probes,
    errors,
  ]);
  const what = `${last.isDryRun ? 'Dry run' : 'Run'} of ${last.began.toISOString()}: ${last.state}.`;
  return `<p>${when} ${escapeXml(what)}</p>\n${table(['Storage', 'Uploads open', 'Removed', 'Probes removed', 'Errors'], rows, 1)}`;
}

/** @param numbersFrom the first column of numbers; all behind it are numbers too */
function table(
  heads: readonly string[],
  rows: readonly (readonly Cell[])[],
  numbersFrom = Number.POSITIVE_INFINITY,
): string {
  const row = (tag: 'td' | 'th', cells: readonly Cell[]): string => {
    const written = cells.map((cell, index) => {
      const content = cell instanceof Html ? cell.text : escapeXml(String(cell ?? '–'));
      return `<${tag}${index >= numbersFrom ? ' class="number"' : ''}>${content}</${tag}>`;
    });
    return `<tr>${written.join('')}</tr>`;
  };
  const body = rows.map((cells) => row('td', cells)).join('\n');
  return `<div class="wide"><table>\n<thead>${row('th', heads)}</thead>\n<tbody>\n${body}\n</tbody>\n</table></div>`;
}
