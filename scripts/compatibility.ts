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
list, upload small and in parts, read whole and by range, copy, sign URLs, delete many, remove the bucket, and compare every byte;
of a tool that keeps something in a bucket it is what that tool is for, from the first backup to the last restoration.

| Sign | Means |
|---|---|
| ✓ | the whole round is right |
| ✗ → ✓ | right through Sluice; not right without it |
| ✗ | not right, and the list below says what |
| – | not tried, and the list below says why |
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

type Found = { readonly [Key in 'fails' | 'skipped']: (outcome: Outcome) => string | undefined };

const WHY: Found = {
  fails: (outcome) => (typeof outcome === 'object' && 'fails' in outcome ? outcome.fails : undefined),
  skipped: (outcome) => (typeof outcome === 'object' && 'skipped' in outcome ? outcome.skipped : undefined),
};

/** A line for each client and reason, with all the rows that it holds for. */
function reasons(rows: readonly Row[], pick: (row: Row) => Row['direct'], kind: keyof Found): readonly string[] {
  const places = new Map<string, string[]>();
  for (const row of rows) {
    for (const [client, outcome] of Object.entries(pick(row) ?? {})) {
      const why = WHY[kind](outcome);
      if (why === undefined) continue;
      const line = `${client} | ${reason(why)} |`;
      places.set(line, [...(places.get(line) ?? []), row.backend]);
    }
  }
  return [...places].map(([line, backends]) => `| ${backends.join(', ')} | ${line}`);
}

/** Clients across and what is behind downwards, or the other way round where there are more clients. */
function table({ clients, rows }: Matrix): readonly string[] {
  const names = clients.map(({ name }) => name);
  if (names.length <= rows.length) {
    return [
      `| | ${names.join(' | ')} |`,
      `|---|${names.map(() => ':-:|').join('')}`,
      `| version | ${clients.map(({ version }) => version).join(' | ')} |`,
      ...rows.map((row) => `| **${row.backend}** | ${names.map((name) => cell(row, name)).join(' | ')} |`),
    ];
  }
  return [
    `| | version | ${rows.map(({ backend }) => `**${backend}**`).join(' | ')} |`,
    `|---|---|${rows.map(() => ':-:|').join('')}`,
    `| version | | ${rows.map(({ version }) => version ?? '').join(' | ')} |`,
    ...clients.map(
      ({ name, version }) => `| ${name} | ${version} | ${rows.map((row) => cell(row, name)).join(' | ')} |`,
    ),
  ];
}

function section(matrix: Matrix): string {
  const { title, about, rows, ran } = matrix;
  const lines = [`## ${title}`, '', about, ...(ran === undefined ? [] : ['', ran]), '', ...table(matrix)];
  const parts = [
    ['Not tried', reasons(rows, ({ through }) => through, 'skipped')],
    ['Through Sluice, not right', reasons(rows, ({ through }) => through, 'fails')],
    ['Without Sluice, the first thing that went wrong', reasons(rows, ({ direct }) => direct, 'fails')],
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
