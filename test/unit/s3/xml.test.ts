import t from 'tap';
import { buildPlainXml, buildXml, childText, escapeXml, parseXml, unescapeXml } from '../../../src/s3/xml.ts';

const parse = (text: string | Buffer) => parseXml(Buffer.from(text), 'Delete');

t.test('X06 X07 keeps text as written', async (t) => {
  for (const key of [' a ', '007', '1e3', 'true', '\ta\n', '', '测试']) {
    const [object] = parse(`<Delete><Object><Key>${key}</Key></Object></Delete>`).children;
    t.equal(object && childText(object, 'Key'), key);
  }
});

t.test('decodes the references that SDKs send in keys', async (t) => {
  const [object] = parse(
    '<Delete><Object><Key>&amp;&lt;&gt;&quot;&apos;&#13;&#xA;&#x1F600;</Key></Object></Delete>',
  ).children;
  t.equal(object && childText(object, 'Key'), '&<>"\'\r\n😀');
});

t.test('X12 takes a declaration, a namespace and prefixes', async (t) => {
  const root = parse(
    '\uFEFF<?xml version="1.0" encoding="UTF-8"?>\n<s3:Delete xmlns:s3="x"><s3:Quiet>true</s3:Quiet></s3:Delete>',
  );
  t.equal(childText(root, 'Quiet'), 'true');
});

t.test('refuses what two readers could read differently', async (t) => {
  const cases: Record<string, string | Buffer> = {
    'X01 DOCTYPE': '<!DOCTYPE d><Delete></Delete>',
    'X02 internal entity': '<!DOCTYPE d [<!ENTITY e "x">]><Delete><Key>&e;</Key></Delete>',
    'X03 unknown entity': '<Delete><Key>&nbsp;</Key></Delete>',
    'X03 numeric reference beyond Unicode': '<Delete><Key>&#x110000;</Key></Delete>',
    'X03 reference to NUL': '<Delete><Key>&#0;</Key></Delete>',
    'X04 depth': `<Delete>${'<a>'.repeat(9)}${'</a>'.repeat(9)}</Delete>`,
    'X05 truncated': '<Delete><Object><Key>a</Key></Object>',
    'X05 mismatched': '<Delete><Object><Key>a</Object></Key></Delete>',
    'X08 CDATA': '<Delete><Key><![CDATA[a]]></Key></Delete>',
    'X08 comment': '<Delete><Key>a<!-- x -->b</Key></Delete>',
    'X08 processing instruction': '<Delete><?x y?></Delete>',
    'X11 UTF-16': Buffer.from('<Delete></Delete>', 'utf16le'),
    'X11 invalid UTF-8': Buffer.from([...Buffer.from('<Delete>'), 0xff, ...Buffer.from('</Delete>')]),
    'two roots': '<Delete></Delete><Delete></Delete>',
    'another root': '<Remove></Remove>',
    'bare ampersand': '<Delete><Key>a & b</Key></Delete>',
    empty: '',
    text: 'hello',
  };
  for (const [name, text] of Object.entries(cases)) t.throws(() => parse(text), { code: 'MalformedXML' }, name);
});

t.test('X09 refuses an element given twice', async (t) => {
  const root = parse('<Delete><Quiet>true</Quiet><Quiet>false</Quiet></Delete>');
  t.throws(() => childText(root, 'Quiet'), { code: 'MalformedXML' });
});

t.test('X13 writes what it reads back', async (t) => {
  const text = `<a & "b" 'c'>\r\n`;
  t.equal(unescapeXml(escapeXml(text)), text);
  t.equal(
    buildPlainXml([
      'Error',
      [
        ['Code', 'X'],
        ['Message', '<'],
        ['Absent', undefined],
      ],
    ]),
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>X</Code><Message>&lt;</Message></Error>',
  );
  t.match(buildXml(['R', []]), '<R xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></R>');
});
