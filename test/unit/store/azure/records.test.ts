import { randomBytes } from 'node:crypto';
import t from 'tap';
import { CHECKSUM_ALGORITHMS, createChecksum } from '../../../../src/s3/checksum.ts';
import { attributeHeaders, metadataOf, readAttributes } from '../../../../src/store/azure/attributes.ts';
import { blobOfHeaders } from '../../../../src/store/azure/blob.ts';
import { packBlockId, RANDOM_BYTES, unpackBlockId } from '../../../../src/store/azure/block-id.ts';
import { type BlobRecord, packRecord, unpackRecord } from '../../../../src/store/azure/record.ts';

t.test('block ids hold a part, whichever checksum it has', async (t) => {
  const random = randomBytes(RANDOM_BYTES);
  const base = { partNumber: 10_000, sequence: 65_535, attempt: 1_795_000_000_000, random, last: undefined };
  t.same(unpackBlockId(packBlockId(base)), base);
  for (const algorithm of [undefined, ...CHECKSUM_ALGORITHMS]) {
    const checksum = algorithm && { algorithm, value: createChecksum(algorithm).digest() };
    const id = { ...base, last: { isBare: algorithm === undefined, md5: '0123456789abcdef'.repeat(2), checksum } };
    const packed = packBlockId(id);
    t.equal(packed.length, 88, 'all of one length, as Azure wants them');
    t.same(unpackBlockId(packed), id, algorithm ?? 'none');
  }
  for (const foreign of ['', 'AAAA', Buffer.alloc(64).toString('base64')]) t.equal(unpackBlockId(foreign), undefined);
});

t.test('a record comes back as it was, and a damaged one says nothing', async (t) => {
  const record: BlobRecord = {
    multipart: {
      etag: 'e-2',
      size: 9,
      parts: [
        [1, 2, 4],
        [7, 1, 1],
      ],
      uploadId: 'u',
    },
    checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==', etag: 'e-2' },
    userMetadata: [['with-hyphen', 'Ã¼']],
    systemHeaders: [['expires', 'never']],
    storageClass: 'ONEZONE_IA',
    tags: [['ключ', '']],
    nonce: 'n',
    upload: { key: 'ключ \u{1F600}', initiated: 1, checksum: { algorithm: 'SHA256', type: 'COMPOSITE' } },
  };
  t.same(unpackRecord(packRecord(record)), record);
  t.match(packRecord(record), /^[\w-]+$/);
  const text = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  for (const broken of [
    undefined,
    '',
    'x',
    text(null),
    text([1]),
    text({ v: 2 }),
    text({ v: 1, e: [1, 2], c: 'x', m: [[1, 2]], u: {} }),
  ]) {
    t.same(unpackRecord(broken), {}, broken ?? 'none');
  }
});

t.test('metadata of any name and value survive, in names that Azure takes', async (t) => {
  const userMetadata = new Map([
    ['plain', 'value with single blanks'],
    ['upper-case-and-hyphen', 'x'],
    ['0digit', 'x'],
    ['with_underscore', 'x'],
    ['with.dot', 'x'],
    ['empty', ''],
    ['edges', ' x '],
    ['double', 'a  b'],
    ['latin', '\xe9\xff'],
    ['sluice', 'not the record'],
    ['__proto__', 'x'],
  ]);
  const systemHeaders = new Map([
    ['content-type', 'text/plain'],
    ['content-disposition', 'attachment; filename="\xc3\xa9"'],
    ['cache-control', 'no-cache'],
    ['expires', '0'],
  ]);
  const attributes = { systemHeaders, userMetadata, tags: [], storageClass: 'STANDARD', hasTags: true, record: {} };
  const headers = attributeHeaders(attributes);
  const names = Object.keys(headers).filter((name) => name.startsWith('x-ms-meta-'));
  t.same(names, ['x-ms-meta-plain', 'x-ms-meta-sluice'], 'nothing else can be signed and sorted by everybody');
  for (const value of Object.values(headers)) t.match(value, /^[\x21-\x7e]+( [\x21-\x7e]+)*$/);
  const answer = new Map(Object.entries(headers).map(([name, value]) => [name.replace('x-ms-blob-', ''), value]));
  const back = readAttributes(answer, metadataOf(answer), unpackRecord(headers['x-ms-meta-sluice']));
  t.same([...back.userMetadata].sort(), [...userMetadata].sort());
  t.same([...back.systemHeaders].sort(), [...systemHeaders].sort());
});

t.test('ETags: MD5 of the content, of the parts while they are its content, Azure’s own in disguise', async (t) => {
  const multipart = { etag: `${'a'.repeat(32)}-2`, size: 5, parts: [[1, 1, 5] as const], uploadId: 'u' };
  const etagOf = (headers: Record<string, string>, record?: BlobRecord) =>
    blobOfHeaders(
      new Map(
        Object.entries({
          etag: '"0x8DABCDEF0123456"',
          'last-modified': 'Fri, 20 Nov 2026 10:00:00 GMT',
          'content-length': '5',
          ...(record && { 'x-ms-meta-sluice': packRecord(record) }),
          ...headers,
        }),
      ),
    ).etag;
  const md5 = { 'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==' };
  t.equal(etagOf(md5), '5d41402abc4b2a76b9719d911017c592');
  t.equal(etagOf({}, { multipart }), multipart.etag);
  t.equal(etagOf(md5, { multipart }), '5d41402abc4b2a76b9719d911017c592', 'overwritten, and the record kept');
  t.equal(etagOf({ 'content-length': '6' }, { multipart }), `${'0'.repeat(17)}8dabcdef0123456-1`);
  t.equal(etagOf({ ...md5, 'content-range': 'bytes 0-0/5' }), `${'0'.repeat(17)}8dabcdef0123456-1`, 'of the range');
  t.match(etagOf({ etag: 'strange' }), /^[0-9a-f]{32}-1$/);
  t.throws(() => etagOf({ 'content-length': 'NaN' }), { code: 'ServiceUnavailable' });
});
