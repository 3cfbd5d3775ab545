import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Outcome } from '../test/interop/attempt.ts';
import type { Matrix, Row } from '../test/interop/record.ts';
import { STAND_INS } from '../test/vendors/rows.ts';

/**
 * Writes docs/compatibility.md from the results in docs/compatibility/, which the interop tests keep there where
 * `COMPATIBILITY=write` asks for it. `--check` only compares.
 */
const folder = new URL('../docs/compatibility/', import.meta.url);
const path = new URL('../docs/compatibility.md', import.meta.url);

const HEAD = `# Compatibility

What the tests found, client by client; \`npm run compatibility\` runs them again and writes this page. A round is: make a bucket,
list, upload small and in parts, read whole and by range, copy, sign URLs, delete many, remove the bucket, and compare every byte.

| Sign | Means |
|---|---|
| ✓ | the whole round is right |
| ✗ → ✓ | right through Sluice; not right without it |
| ✗ | not right, and the list below says what |
| – | not tried: the client is not installed |
`;

function read(): readonly Matrix[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  // The files are written by `keep` in test/interop/record.ts, in this shape.
  return names.sort().map((name): Matrix => JSON.parse(readFileSync(new URL(name, folder), 'utf8')));
}

function sign(outcome: Outcome | undefined): string {
  if (outcome === undefined || (typeof outcome === 'object' && 'skipped' in outcome)) return '–';
  return outcome === 'passes' ? '✓' : '✗';
}

function cell({ through, direct }: Row, client: string): string {
  const here = sign(through[client]);
  const there = sign(direct?.[client]);
  return there === '✗' && here === '✓' ? '✗ → ✓' : here;
}

/** One line that a table takes: no bars, no newlines. */
function reason(text: string): string {
  const plain = text.replace(/\s+/g, ' ').replaceAll('|', '\\|');
  return plain.length > 140 ? `${plain.slice(0, 139)}…` : plain;
}

function failures(rows: readonly Row[], pick: (row: Row) => Row['direct']): readonly string[] {
  return rows.flatMap((row) =>
    Object.entries(pick(row) ?? {}).flatMap(([client, outcome]) =>
      typeof outcome === 'object' && 'fails' in outcome
        ? [`| ${row.backend} | ${client} | ${reason(outcome.fails)} |`]
        : [],
    ),
  );
}

function section({ title, about, clients, rows }: Matrix): string {
  const names = clients.map(({ name }) => name);
  const lines = [
    `## ${title}`,
    '',
    about,
    '',
    `| | ${names.join(' | ')} |`,
    `|---|${names.map(() => ':-:|').join('')}`,
    `| version | ${clients.map(({ version }) => version).join(' | ')} |`,
    ...rows.map((row) => `| **${row.backend}** | ${names.map((name) => cell(row, name)).join(' | ')} |`),
  ];
  const parts = [
    ['Through Sluice, not right', failures(rows, ({ through }) => through)],
    ['Without Sluice, the first thing that went wrong', failures(rows, ({ direct }) => direct)],
  ] as const;
  for (const [heading, found] of parts)
    if (found.length > 0) lines.push('', `### ${heading}`, '', '| at | client | |', '|---|---|---|', ...found);
  return `${lines.join('\n')}\n`;
}

function assumptions(): string {
  const lines = Object.entries(STAND_INS).flatMap(([name, { because }]) => {
    const open = Object.entries(because).filter(([, why]) => why.startsWith('?'));
    return open.map(([field, why]) => `| ${name} | \`${field}\` | ${why.slice(3)} |`);
  });
  const about =
    'What no source settles. The stand-ins take the stricter reading, so a vendor may well be kinder than this page says; ' +
    '`sluice check` tells how your account really is.';
  return ['## Assumed of the vendors', '', about, '', '| vendor | | |', '|---|---|---|', ...lines, ''].join('\n');
}

const text = [HEAD, ...read().map(section), assumptions()].join('\n');

if (!process.argv.includes('--check')) writeFileSync(path, text);
else if (readFileSync(path, 'utf8') !== text) {
  process.stderr.write('docs/compatibility.md is out of date: node scripts/compatibility.ts\n');
  process.exitCode = 1;
}
