import t from 'tap';
import { Query } from '../../../src/s3/query.ts';
import { decodeUri, encodeKey, encodeUri } from '../../../src/s3/uri.ts';

t.test('encodes as SigV4 wants it', async (t) => {
  t.equal(encodeUri("a b/c+d=e&f!'()*~-_.é"), 'a%20b%2Fc%2Bd%3De%26f%21%27%28%29%2A~-_.%C3%A9');
  t.equal(encodeKey('a//b c/%2F+'), 'a//b%20c/%252F%2B');
});

t.test('decodes once, and only what is whole', async (t) => {
  t.equal(decodeUri('a%252Fb+c'), 'a%2Fb+c');
  for (const broken of ['%', '%1', '%zz', '%c3', '%ed%a0%80']) t.equal(decodeUri(broken), undefined, broken);
});

t.test('round-trips every key byte for byte', async (t) => {
  for (let code = 1; code < 0x3000; code += 7) {
    const key = `x${String.fromCodePoint(code)}/y`;
    t.equal(decodeUri(encodeKey(key)), key);
  }
});

t.test('reads a query as AWS does', async (t) => {
  const query = Query.parse('uploads&prefix=a%2Fb+c%2B&marker=&&x=1=2;y');
  t.strictSame(query.parameters, [
    { name: 'uploads', value: '' },
    { name: 'prefix', value: 'a/b c+' },
    { name: 'marker', value: '' },
    { name: 'x', value: '1=2;y' },
  ]);
  t.equal(query.toString(), 'uploads&prefix=a%2Fb%20c%2B&marker&x=1%3D2%3By');
  t.throws(() => Query.parse('prefix=%'), { code: 'InvalidURI' });
});

t.test('changes give a new query and keep the order', async (t) => {
  const query = Query.parse('a=1&b=2&a=3');
  t.equal(query.with('a', 'x').toString(), 'a=x&b=2');
  t.equal(query.with('c', 'y').toString(), 'a=1&b=2&a=3&c=y');
  t.equal(query.without((name) => name === 'a').toString(), 'b=2');
  t.equal(query.toString(), 'a=1&b=2&a=3');
});
