import t from 'tap';
import type { CatalogInput } from '../../../src/route/catalog.ts';
import { hasDotSegment } from '../../../src/s3/address.ts';
import { formatCopySource, parseCopySource } from '../../../src/s3/copy-source.ts';
import { unescapeXml } from '../../../src/s3/xml.ts';
import { memoryS3 } from '../../support/memory-s3.ts';
import { deleteDocument, queryOf, routed, texts, tokenKey } from '../../support/routed.ts';

const ATOMS = [
  'a',
  'Z',
  '0',
  '/',
  '//',
  '.',
  '..',
  '-',
  ' ',
  '+',
  '%',
  '%2F',
  '&',
  '<',
  '>',
  '"',
  "'",
  '\\',
  '|',
  '~',
  '*',
  '?',
  '#',
  '=',
  'ä',
  'e\u0301',
  '\u{1f600}',
  '\uffff',
  '\u202e',
  '\u0001',
  '\r',
  '\n',
  '\t',
  '\u007f',
  '&amp;',
  ']]>',
];

/** As clients read `encoding-type=url`: a plus is a space. */
function decodeForm(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/** Deterministic numbers below a limit. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % limit;
  };
}

t.test('keys map to the storage and back one to one, for any prefix and any key', async (t) => {
  const random = generator(20261120);
  const text = (length: number) => Array.from({ length }, () => ATOMS[random(ATOMS.length)]).join('');
  for (let round = 0; round < 40; round++) {
    const prefix = text(1 + random(4)).replace(/^\/+/, '') || 'p';
    const backend = memoryS3('one', ['real-bucket']);
    const input: CatalogInput = {
      credentials: [{ name: 'ci', accessKey: 'CI' }],
      storages: [{ name: 'one', handler: backend.handler, projects: 'all', dotSegments: 'allow', tokenKey, prefix }],
      buckets: [{ name: 'bkt', storage: 'one', bucket: 'real-bucket' }],
    };
    const ci = routed(input).as('ci');
    const keys = new Set(Array.from({ length: 25 }, () => text(1 + random(6))));
    for (const key of keys) await ci({ method: 'PUT', bucket: 'bkt', key, body: key });
    backend.put('real-bucket', `!${prefix}`, 'a neighbour');
    const stored = [...(backend.buckets.get('real-bucket')?.keys() ?? [])];
    t.same(
      stored.filter((key) => key !== `!${prefix}`),
      [...keys].map((key) => prefix + key),
    );
    const sorted = [...keys].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    const plain = await ci({ method: 'GET', bucket: 'bkt' });
    t.same(texts(plain.text, 'Key').map(unescapeXml), sorted, JSON.stringify(prefix));
    const encoded = await ci({ method: 'GET', bucket: 'bkt', query: 'list-type=2&encoding-type=url' });
    t.same(texts(encoded.text, 'Key').map(decodeForm), sorted);
    const marker = sorted[10] ?? '';
    const after = await ci({ method: 'GET', bucket: 'bkt', query: queryOf({ marker, 'encoding-type': 'url' }) });
    t.same(texts(after.text, 'Key').map(decodeForm), sorted.slice(11));
    for (const key of sorted.slice(0, 5)) {
      const copied = await ci({
        method: 'PUT',
        bucket: 'bkt',
        key: `${key}!copy`,
        headers: { 'x-amz-copy-source': formatCopySource({ bucket: 'bkt', key, versionId: undefined }) },
      });
      t.equal(copied.status, 200, JSON.stringify(key));
      t.equal(backend.buckets.get('real-bucket')?.get(`${prefix}${key}!copy`)?.bytes.toString(), key);
    }
    const safe = [...keys].filter((key) => !key.includes('\u0001') && !key.includes('\r'));
    const deleted = await ci({ method: 'POST', bucket: 'bkt', query: 'delete', body: deleteDocument(safe) });
    t.same(texts(deleted.text, 'Key').map(unescapeXml), safe);
    t.ok(backend.buckets.get('real-bucket')?.has(`!${prefix}`));
    for (const key of safe) t.notOk(backend.buckets.get('real-bucket')?.has(prefix + key));
  }
});

t.test('a copy source is written in a spelling that reads back the same', async (t) => {
  const random = generator(7);
  for (let round = 0; round < 500; round++) {
    const key = Array.from({ length: 1 + random(8) }, () => ATOMS[random(ATOMS.length)]).join('');
    const source = { bucket: 'bkt', key, versionId: random(2) === 0 ? undefined : key };
    t.same(parseCopySource(new Map([['x-amz-copy-source', formatCopySource(source)]])), source);
  }
});

t.test('no spelling of a dot segment gets through by being joined to a prefix', async (t) => {
  for (const key of ['..', 'a/..', './b', 'a\\..\\b']) t.ok(hasDotSegment(`team/${key}`), key);
});
