import { readFileSync } from 'node:fs';
import t from 'tap';
import { vendorsDocument } from '../../../scripts/vendors-document.ts';
import { VENDORS } from '../../../src/upstream/vendors.ts';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

t.test('docs/vendors.md says what the table says', (t) => {
  t.equal(read('docs/vendors.md'), vendorsDocument(read('src/upstream/vendors.ts')), 'npm run vendors writes it anew');
  t.end();
});

t.test('every row is there, with reasons from the table', (t) => {
  const text = vendorsDocument(read('src/upstream/vendors.ts'));
  for (const name of Object.keys(VENDORS)) t.ok(text.includes(`\n## ${name}\n`), name);
  t.match(text, /## other\n\nWhat is believed of a service nobody described/);
  t.match(text, /\| `maxDeleteKeys` \| `700` \| More than about 700 keys end in InternalError/);
  t.end();
});
