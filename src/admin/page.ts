import { escapeXml } from '../s3/xml.ts';
import type { AdminSources, StorageHealth } from './server.ts';

/** The page as HTML, complete, without scripts. Every value is escaped. */
export function renderPage(sources: AdminSources, states: readonly StorageHealth[]): string {
  const ready = new Set(states.filter((state) => state.isReady).map((state) => state.name));
  const rows = sources.storages().map((storage) => {
    const cells = [
      storage.name + (storage.isDefault ? ' (default)' : ''),
      storage.provider,
      storage.place,
      ready.has(storage.name) ? 'ready' : 'not ready',
    ];
    return `<tr>${cells.map((cell) => `<td>${escapeXml(cell)}</td>`).join('')}</tr>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sluice</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid #8884; padding: .4rem .6rem; text-align: left; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; } a { color: #8cf; } }
</style>
</head>
<body>
<h1>Sluice ${escapeXml(sources.version)}</h1>
<p>S3 endpoint: <code>${escapeXml(sources.endpoint)}</code></p>
<h2>Storages</h2>
<table>
<thead><tr><th>Name</th><th>Provider</th><th>Place</th><th>State</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
<p><a href="/metrics">Metrics</a></p>
</body>
</html>
`;
}
