import { readFileSync, writeFileSync } from 'node:fs';
import { jsonSchema } from '../src/config/json-schema.ts';

/** Writes config/sluice.schema.json from the schema that checks configurations. `--check` only compares. */
const path = new URL('../config/sluice.schema.json', import.meta.url);
const text = `${JSON.stringify(jsonSchema(), null, 2)}\n`;

if (!process.argv.includes('--check')) writeFileSync(path, text);
else if (readFileSync(path, 'utf8') !== text) {
  process.stderr.write('config/sluice.schema.json is out of date: npm run schema\n');
  process.exitCode = 1;
}
