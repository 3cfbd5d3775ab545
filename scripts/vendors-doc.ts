import { readFileSync, writeFileSync } from 'node:fs';
import { vendorsDocument } from './vendors-document.ts';

/** Writes docs/vendors.md from the table of vendors. `--check` only compares. */
const path = new URL('../docs/vendors.md', import.meta.url);
const source = readFileSync(new URL('../src/upstream/vendors.ts', import.meta.url), 'utf8');
const text = vendorsDocument(source);

if (!process.argv.includes('--check')) writeFileSync(path, text);
else if (readFileSync(path, 'utf8') !== text) {
  process.stderr.write('docs/vendors.md is out of date: npm run vendors\n');
  process.exitCode = 1;
}
