import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { jsonSchema } from '../../../src/config/json-schema.ts';
import { parseConfig } from '../../../src/config/load.ts';

const FOLDER = new URL('../../../config/', import.meta.url);

t.test('the published JSON Schema is the one that configurations are checked with', async (t) => {
  const published: unknown = JSON.parse(readFileSync(new URL('sluice.schema.json', FOLDER), 'utf8'));
  t.strictSame(published, JSON.parse(JSON.stringify(jsonSchema())), 'npm run schema writes it anew');
});

t.test('every example is valid and names the schema', async (t) => {
  const examples = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
  t.ok(examples.length > 0);
  for (const name of examples) {
    const text = readFileSync(new URL(name, FOLDER), 'utf8');
    t.match(text, /^# yaml-language-server: \$schema=(\.\/)?sluice.schema.json/, name);
    const env = new Proxy<Record<string, string>>({}, { get: (_, name) => `value-of-${String(name)}` });
    t.doesNotThrow(() => parseConfig(text, name, { env, readFile: () => 'from-a-file' }), name);
  }
});
