import { XMLParser } from 'fast-xml-parser';
import t from 'tap';
import { S3Error } from '../../../src/s3/error.ts';
import { compileShape, editXml } from '../../../src/s3/xml-edit.ts';

const SHAPE = compileShape<'key' | 'prefix'>({
  List: { Name: 'keep', Prefix: 'keep', Item: { Key: 'key', Size: 'keep' }, CommonPrefixes: { Prefix: 'prefix' } },
});

function edit(
  text: string,
  others: 'keep' | 'drop' = 'keep',
  change = (raw: string): string | undefined => `<${raw}>`,
) {
  return editXml(text, {
    shape: SHAPE,
    edit: (kind, raw) => (kind === 'key' ? change(raw) : raw.toUpperCase()),
    others,
  });
}

t.test('only the named texts change, every other byte stays', async (t) => {
  const before = '<?xml version="1.0" encoding="UTF-8"?>\n<List xmlns="x">\n <Prefix>a</Prefix><New a="1>2">k</New >\n';
  const text = `${before}<Item ><Key>1</Key><Size>3</Size></Item><CommonPrefixes><Prefix>a</Prefix></CommonPrefixes></List>\n`;
  t.equal(edit(text), text.replace('>1<', '><1><').replace('><Prefix>a</Prefix></C', '><Prefix>A</Prefix></C'));
  t.equal(edit('<List/>'), '<List/>');
  t.equal(edit('<List><Item><Key/></Item></List>'), '<List><Item><Key><></Key></Item></List>');
  t.equal(
    edit('<s3:List><s3:Item><s3:Key>1</s3:Key></s3:Item></s3:List>'),
    '<s3:List><s3:Item><s3:Key><1></s3:Key></s3:Item></s3:List>',
  );
});

t.test('unforeseen elements and attributes are dropped where told so', async (t) => {
  const xmlns = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
  const text =
    '<List xmlns="http://vendor" v="1"><V><Key>9</Key><W/></V><Item i="1"><Key k="1">1</Key><V/></Item><V a="b"/><Name n=""/></List>';
  t.equal(edit(text, 'drop'), `<List ${xmlns}><Item><Key><1></Key></Item><Name/></List>`);
  t.throws(() => edit('<List>vendor<Name>n</Name></List>', 'drop'), { code: 'InternalError' });
});

t.test('an entry is removed whole, and its neighbours are not touched', async (t) => {
  const item = (key: string) => `<Item id="${key}"><Size>1</Size><V/><Key>${key}</Key><Size>2</Size></Item>`;
  const drop = (raw: string) => (raw === '2' ? undefined : raw);
  const text = `<List>${item('1')}${item('2')}${item('2')}${item('3')}</List>`;
  t.equal(edit(text, 'keep', drop), `<List>${item('1')}${item('3')}</List>`);
  const strict = edit(text, 'drop', drop);
  t.equal(strict.match(/<Item>/g)?.length, 2);
  t.notMatch(strict, /<Key>2/);
});

t.test('X14 a broken or foreign document is refused, at whatever byte it breaks', async (t) => {
  const whole = '<?xml version="1.0"?><List><Item><Key>1</Key></Item></List>';
  for (let length = 0; length < whole.length; length++) {
    t.throws(() => edit(whole.slice(0, length)), { code: 'InternalError' }, whole.slice(0, length));
  }
  for (const text of [
    '<Other/>',
    '<html><body>502</body></html>',
    '{"error":1}',
    '<List></Lis>',
    '<List></List><List></List>',
    '<List></List>x',
    'x<List></List>',
    '<List><Item><Key>1</Item></Key></List>',
    '<List><Item><Key>1<b/></Key></Item></List>',
    '<!DOCTYPE a><List/>',
    '<List><!-- <Key>1</Key> --></List>',
    '<List><Item><Key><![CDATA[1]]></Key></Item></List>',
    '<List><?pi x?></List>',
    '<List a=1/>',
    '<List a="1/>',
    '<List><Key>1</Key></List',
    '<a>'.repeat(100),
    `<List>${'<a>'.repeat(100)}${'</a>'.repeat(100)}</List>`,
  ]) {
    t.throws(() => edit(text), S3Error, text.slice(0, 60));
  }
});

t.test('agrees with the parser on generated documents', async (t) => {
  const parser = new XMLParser({
    preserveOrder: true,
    trimValues: false,
    parseTagValue: false,
    processEntities: false,
  });
  let state = 7;
  const random = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % limit;
  };
  const text = () => ['', 'a', ' b ', '&amp;&lt;', 'ä\u{1f600}', '%41+', '\n'][random(7)];
  for (let round = 0; round < 300; round++) {
    const items = Array.from({ length: random(6) }, () => {
      const fields = [`<Key>${text()}</Key>`, `<Size>${random(99)}</Size>`, `<Other><Key>${text()}</Key></Other>`];
      return `<Item>${fields.slice(0, 1 + random(3)).join('')}</Item>${['', '\n', '  '][random(3)]}`;
    });
    const document = `<List><Prefix>${text()}</Prefix>${items.join('')}</List>`;
    const edited = parser.parse(editXml(document, { shape: SHAPE, edit: (_, raw) => `p/${raw}`, others: 'keep' }));
    const expected = JSON.stringify(parser.parse(document), (_, value) => value);
    const undone = JSON.stringify(edited).replaceAll(
      /("Item":\[)\{"Key":\[\{"#text":"p\/([^"]*)"\}\]\}/g,
      (_, head, rest) => (rest === '' ? `${head}{"Key":[]}` : `${head}{"Key":[{"#text":"${rest}"}]}`),
    );
    t.equal(undone.replaceAll('"#text":""', ''), expected.replaceAll('"#text":""', ''));
  }
});
