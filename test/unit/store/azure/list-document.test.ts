import t from 'tap';
import { childText, escapeXml, parseXml, type XmlElement } from '../../../../src/s3/xml.ts';
import { readListing } from '../../../../src/store/azure/list-document.ts';

/** Small numbers, the same for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
}

const CHARACTERS = [
  'a',
  'Z',
  '0',
  '/',
  ' ',
  '-',
  '&',
  '<',
  '>',
  '"',
  "'",
  'é',
  '\u00a0',
  'ж',
  '\uFFFD',
  '\u{1F600}',
  '%',
];
const PROPERTIES = ['Last-Modified', 'Etag', 'Content-Length', 'Content-MD5', 'AccessTier', 'ResourceType', 'TagCount'];

function randomDocument(random: (below: number) => number): string {
  const text = () => Array.from({ length: 1 + random(8) }, () => CHARACTERS[random(CHARACTERS.length)]).join('');
  /** As it is, by its name where it has one, or by its number. */
  const written = (char: string) => {
    const code = char.codePointAt(0) ?? 0;
    return [escapeXml(char), escapeXml(char), `&#${code};`, `&#x${code.toString(16)};`][random(4)];
  };
  const escaped = (value: string) => [...value].map(written).join('');
  const element = (name: string, value: string, attributes = '') =>
    value === '' && random(2) === 0 ? `<${name}${attributes} />` : `<${name}${attributes}>${escaped(value)}</${name}>`;
  const name = () =>
    random(3) === 0 ? `<Name Encoded="true">${encodeURIComponent(text())}</Name>` : element('Name', text());
  const blob = () => {
    const properties = PROPERTIES.filter(() => random(4) > 0).map((each) =>
      element(each, random(5) === 0 ? '' : text()),
    );
    const metadata = ['sluice', 'Mixed_Case', 'x-ms-invalid-name']
      .filter(() => random(2) === 0)
      .map((each) => element(each, text()));
    const fields = random(2) === 0 ? metadata.join('') : '';
    return `<Blob>${name()}<Properties>${properties.join('')}</Properties>${fields === '' ? '<Metadata />' : `<Metadata>${fields}</Metadata>`}<OrMetadata /></Blob>`;
  };
  const entries = Array.from({ length: random(12) }, () =>
    random(4) === 0 ? `<BlobPrefix>${name()}</BlobPrefix>` : blob(),
  );
  const head = [
    '',
    '\uFEFF',
    '<?xml version="1.0" encoding="utf-8"?>',
    '\uFEFF<?xml version="1.0" encoding="utf-8"?>\r\n',
  ];
  return `${head[random(4)]}<EnumerationResults ServiceEndpoint="https://x/" ContainerName="é">${element('Prefix', text())}<Blobs>${entries.join('')}</Blobs>${element('NextMarker', random(2) === 0 ? '' : text())}</EnumerationResults>`;
}

/** The same by the general parser. */
function parsed(document: string) {
  const root = parseXml(Buffer.from(document));
  const child = (element: XmlElement, name: string) => element.children.find((each) => each.name === name);
  const fields = (element: XmlElement, name: string) =>
    (child(element, name)?.children ?? [])
      .map((each) => [each.name.toLowerCase(), childText({ ...element, children: [each] }, each.name) ?? ''] as const)
      // What has no value is as good as absent.
      .filter(([, value]) => value !== '');
  const entries = (child(root, 'Blobs')?.children ?? []).map((element) => ({
    name: childText(element, 'Name'),
    isPrefix: element.name === 'BlobPrefix',
    properties: fields(element, 'Properties'),
    metadata: fields(element, 'Metadata'),
  }));
  return { entries, marker: childText(root, 'NextMarker') || undefined };
}

t.test('a listing is read as the general parser reads it', async (t) => {
  const random = generator(7);
  for (let round = 0; round < 300; round++) {
    const document = randomDocument(random);
    const { entries, marker } = readListing(Buffer.from(document));
    const shown = entries.map(({ name, isPrefix, properties, metadata }, index) => ({
      // The parser does not know what Encoded means.
      name: /<Name Encoded/.test(document.split(/<Blob(?:Prefix)?>/)[index + 1] ?? '')
        ? encodeURIComponent(name)
        : name,
      isPrefix,
      properties: [...properties].filter(([, value]) => value !== ''),
      metadata: [...metadata].filter(([, value]) => value !== ''),
    }));
    const expected = parsed(document);
    if (JSON.stringify({ entries: shown, marker }) === JSON.stringify(expected)) continue;
    t.same({ entries: shown, marker }, expected, document);
  }
  t.pass('300 documents');
});

t.test('names that XML cannot hold come back from their code', async (t) => {
  const read = (name: string) =>
    readListing(Buffer.from(`<E><Blobs><Blob>${name}</Blob></Blobs></E>`)).entries.map(({ name }) => name);
  t.same(read('<Name Encoded="true">a%01%EF%BF%BE%25b%20</Name>'), ['a\u0001\uFFFE%b ']);
  t.same(read('<Name Encoded="false">a%01</Name>'), ['a%01']);
  t.same(read('<Name>a%41</Name>'), ['a%41']);
  t.throws(() => read('<Name Encoded="true">a%FF</Name>'), { code: 'ServiceUnavailable' });
});

t.test('what is not exactly a listing is refused, wherever it is cut', async (t) => {
  const whole =
    '\uFEFF<?xml version="1.0"?><E><Blobs><Blob><Name>é</Name><Properties><Etag>1</Etag></Properties></Blob></Blobs><NextMarker /></E>';
  t.equal(readListing(Buffer.from(whole)).entries.length, 1);
  const bytes = Buffer.from(whole);
  const start = bytes.indexOf('<E>') + 3;
  for (let length = start; length < bytes.byteLength; length++) {
    t.throws(() => readListing(bytes.subarray(0, length)), { code: 'ServiceUnavailable' }, `${length} bytes`);
  }
  for (const broken of [
    whole.replace('</Blob>', ''),
    whole.replace('</Etag>', '</Eta>'),
    whole.replace('<Name>é</Name>', ''),
    whole.replace('<Name>é</Name>', '<Name></Name>'),
    whole.replace('é', '&unknown;'),
    whole.replace('>1<', '>&#xFFFFFF;<'),
    whole.replace('<Etag>', '<1tag>'),
    whole.replace('<Etag>', '<Etag <>'),
    whole.replace('<E>', 'text<E>'),
    whole.replace('<Blobs>', '<Blobs><!-- -->'),
    `${whole}</E>`,
    'no document',
  ]) {
    t.throws(() => readListing(Buffer.from(broken)), { code: 'ServiceUnavailable' }, broken);
  }
});
