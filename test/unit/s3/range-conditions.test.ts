import t from 'tap';
import { evaluateConditions, parseConditions } from '../../../src/s3/conditions.ts';
import { copyRange } from '../../../src/s3/copy-source.ts';
import { etagListed, quoteEtag, unquoteEtag } from '../../../src/s3/etag.ts';
import { parseRange } from '../../../src/s3/range.ts';

t.test('reads ranges of every form', async (t) => {
  const cases: readonly (readonly [string | undefined, number, unknown])[] = [
    [undefined, 10, undefined],
    ['bytes=0-0', 10, { start: 0, end: 0 }],
    ['bytes=2-5', 10, { start: 2, end: 5 }],
    ['bytes=2-', 10, { start: 2, end: 9 }],
    ['bytes=2-99', 10, { start: 2, end: 9 }],
    ['bytes=-3', 10, { start: 7, end: 9 }],
    ['bytes=-99', 10, { start: 0, end: 9 }],
    ['bytes=10-', 10, 'unsatisfiable'],
    ['bytes=-0', 10, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=-1', 0, 'unsatisfiable'],
    ['bytes=5-2', 10, undefined],
    ['bytes=0-1,3-4', 10, undefined],
    ['bytes=-', 10, undefined],
    ['bytes=a-b', 10, undefined],
    ['items=0-1', 10, undefined],
  ];
  for (const [header, size, range] of cases) t.strictSame(parseRange(header, size), range, `${header} of ${size}`);
});

t.test('reads copy ranges strictly', async (t) => {
  t.strictSame(copyRange('bytes=0-9', 10), { start: 0, end: 9 });
  t.strictSame(copyRange(undefined, 10), { start: 0, end: 9 });
  t.strictSame(copyRange(undefined, 0), { start: 0, end: -1 });
  const beyond = {
    code: 'InvalidArgument',
    message: /source object of size: 10/,
    detail: { ArgumentValue: 'bytes=0-10' },
  };
  t.throws(() => copyRange('bytes=0-10', 10), beyond);
  for (const header of ['bytes=5-', 'bytes=-5', '0-5', 'bytes=5-4', 'bytes=0-1,2-3', '']) {
    t.throws(() => copyRange(header, 10), { code: 'InvalidArgument', message: /form bytes=first-last/ }, header);
  }
});

t.test('compares ETags with and without quotes', async (t) => {
  t.equal(quoteEtag('a'), '"a"');
  t.equal(unquoteEtag('"a"'), 'a');
  t.equal(unquoteEtag('"'), '"');
  for (const list of ['*', '"a"', 'a', '"x", "a"', 'W/"a"']) t.ok(etagListed(list, 'a'), list);
  for (const list of ['"b"', '', '"a']) t.notOk(etagListed(list, 'a'), list);
});

t.test('decides conditions in the order of RFC 9110', async (t) => {
  const object = { etag: 'e', lastModified: new Date('2026-01-02T03:04:05.600Z') };
  const same = 'Fri, 02 Jan 2026 03:04:05 GMT';
  const before = 'Thu, 01 Jan 2026 00:00:00 GMT';
  const cases: readonly (readonly [Record<string, string>, string])[] = [
    [{}, 'satisfied'],
    [{ 'if-match': '"e"' }, 'satisfied'],
    [{ 'if-match': '"x"' }, 'failed'],
    [{ 'if-none-match': '*' }, 'not-modified'],
    [{ 'if-none-match': '"x"' }, 'satisfied'],
    [{ 'if-modified-since': same }, 'not-modified'],
    [{ 'if-modified-since': before }, 'satisfied'],
    [{ 'if-unmodified-since': same }, 'satisfied'],
    [{ 'if-unmodified-since': before }, 'failed'],
    [{ 'if-match': '"e"', 'if-unmodified-since': before }, 'satisfied'],
    [{ 'if-none-match': '"x"', 'if-modified-since': same }, 'satisfied'],
    [{ 'if-match': '"x"', 'if-none-match': '"e"' }, 'failed'],
    [{ 'if-modified-since': 'no date' }, 'satisfied'],
  ];
  for (const [headers, outcome] of cases) {
    t.equal(
      evaluateConditions(parseConditions(new Map(Object.entries(headers))), object),
      outcome,
      JSON.stringify(headers),
    );
  }
});
