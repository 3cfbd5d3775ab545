import { createSecretKey } from 'node:crypto';
import t from 'tap';
import { createTokens, type TokenScope } from '../../../src/route/tokens.ts';

const key = createSecretKey(Buffer.from('one secret'));
const scope: TokenScope = { kind: 'upload', tenant: 'project a', storage: 's', bucket: 'b', place: 'k' };

t.test('a token comes back in its own scope, and is the same after a restart', async (t) => {
  for (const token of ['x', 'a/b|c+d==', 'ä\u{1f600}', 'v'.repeat(1000)]) {
    const wrapped = createTokens(key).wrap(token, scope);
    t.match(wrapped, /^[A-Za-z0-9_-]+$/, 'R15');
    t.equal(createTokens(key).wrap(token, scope), wrapped);
    t.equal(createTokens(key).unwrap(wrapped, scope), token);
    t.notMatch(Buffer.from(wrapped, 'base64url').toString('latin1'), token.slice(0, 8).padEnd(8, '~'));
  }
});

t.test('S25 any other scope, key or spelling is refused', async (t) => {
  const tokens = createTokens(key);
  const wrapped = tokens.wrap('token', scope);
  for (const change of [
    { kind: 'continuation' },
    { tenant: 'project b' },
    { storage: 't' },
    { bucket: 'c' },
    { place: 'kk' },
  ] as const) {
    t.equal(tokens.unwrap(wrapped, { ...scope, ...change }), undefined);
  }
  t.equal(tokens.unwrap(wrapped, { ...scope, bucket: 'b","k', place: '' }), undefined);
  t.equal(createTokens(createSecretKey(Buffer.from('another'))).unwrap(wrapped, scope), undefined);
  for (let index = 0; index < wrapped.length; index++) {
    const flipped = wrapped[index] === 'A' ? 'B' : 'A';
    t.equal(tokens.unwrap(wrapped.slice(0, index) + flipped + wrapped.slice(index + 1), scope), undefined);
    t.equal(tokens.unwrap(wrapped.slice(0, index), scope), undefined);
  }
  for (const other of ['', 'token', `${wrapped}=`, `${wrapped} `, `${wrapped}.`, 'dG9rZW4']) {
    t.equal(tokens.unwrap(other, scope), undefined, other);
  }
});
