import t from 'tap';
import { blobName, isContainerName, keyOf, namePrefix } from '../../../../src/store/azure/names.ts';

t.test('a key that Azure can hold is its own name', async (t) => {
  for (const key of [
    'a',
    'a/b',
    'a//b',
    '/a',
    'a/',
    'a.b',
    '.a',
    'ü+ ?#&=',
    '100%',
    'a%41',
    'a%20b',
    '%2F',
    '%00b',
    '\u{1F600}',
  ]) {
    const expected = key === '%00b' ? '%2500b' : key;
    t.equal(blobName(key), expected, key);
    t.equal(keyOf(expected), key);
  }
});

t.test('what it cannot hold is kept in escapes that lead back to it alone', async (t) => {
  const names = {
    'a\\b': 'a%5Cb',
    'a.': 'a%2E',
    'a./b': 'a%2E/b',
    '..': '.%2E',
    'a/../b': 'a/.%2E/b',
    'a%2E': 'a%252E',
    'a%2Eb': 'a%2Eb',
    'a%5Cb': 'a%255Cb',
    'a%255Cb': 'a%25255Cb',
    '\t': '%09',
    '\x7f': '%7F',
    '\uFFFE\uFFFF': '%FFFE%FFFF',
  };
  for (const [key, name] of Object.entries(names)) {
    t.equal(blobName(key), name, JSON.stringify(key));
    t.equal(keyOf(name), key);
  }
});

t.test('all short texts of what matters come back, and no two have one name', async (t) => {
  const characters = ['%', '2', '5', 'C', 'E', '.', '/', '\\', 'a'];
  let texts = [''];
  const seen = new Map<string, string>();
  for (let length = 1; length <= 5; length++) {
    texts = texts.flatMap((text) => characters.map((character) => text + character));
    for (const key of texts) {
      const name = blobName(key);
      if (keyOf(name) !== key || seen.has(name)) t.fail(`${key} and ${seen.get(name)} are ${name}`);
      seen.set(name, key);
      for (let end = 0; end <= key.length; end++) {
        const { name: prefix, isExact } = namePrefix(key.slice(0, end));
        if (!name.startsWith(prefix)) t.fail(`${name} does not begin with ${prefix} ${isExact}`);
      }
    }
  }
  t.equal(seen.size, 9 + 9 ** 2 + 9 ** 3 + 9 ** 4 + 9 ** 5);
});

t.test('an exact prefix of names is that of the keys alone', async (t) => {
  for (const prefix of ['a', 'a/', 'a./', 'ü', '\\', 'a%41', '%5C']) t.equal(namePrefix(prefix).isExact, true, prefix);
  for (const prefix of ['a.', '%', '%2', '%25', '%5', 'a%25', '%252E', '%FF']) {
    t.equal(namePrefix(prefix).isExact, false, prefix);
  }
});

t.test('S10 a name that the escapes make too long is refused, and so are ours', async (t) => {
  t.equal(blobName('n'.repeat(1024)).length, 1024);
  t.throws(() => blobName('\\'.repeat(400)), { code: 'KeyTooLongError' });
  t.throws(() => blobName('.sluice/x'), { code: 'AccessDenied' });
  t.equal(blobName('.sluice'), '.sluice');
});

t.test('names of containers', async (t) => {
  for (const name of ['abc', 'a-b', '0-9', 'x'.repeat(63)]) t.ok(isContainerName(name), name);
  for (const name of ['ab', 'a--b', 'a.b', 'A-b', '-ab', 'ab-', 'a_b', 'x'.repeat(64), '$web', '$root']) {
    t.notOk(isContainerName(name), name);
  }
});
