import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
} from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { s3Client } from '../support/clients.ts';
import { dataFiles } from '../support/filesystem-store.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../support/gateway.ts';
import { exchange } from '../support/raw-socket.ts';
import { signHeader } from '../support/slow-verifier.ts';

/** Bad requests over a socket, on the embedded store: AWS's error as XML, and nothing left behind. */

type Fields = Readonly<Record<string, string>>;

interface Sent {
  readonly method?: string;
  readonly target: string;
  readonly headers?: Fields;
  /** Header lines that no signature covers. */
  readonly unsigned?: readonly string[];
  readonly body?: string;
}

const sha256 = (text: string) => createHash('sha256').update(text, 'latin1').digest('hex');
const md5 = (text: string) => createHash('md5').update(text, 'latin1').digest('base64');
/** Larger than what the store keeps in its index: bytes that would lie in a file. */
const LARGE = 'x'.repeat(2 * 2 ** 20);

async function start(t: Test) {
  const folder = t.testdir();
  const gateway = await startTestGateway(`${CREDENTIALS}
storages: [{ name: local, provider: filesystem, path: ${JSON.stringify(folder)}, default: true }]
`);
  t.teardown(() => gateway.close());
  const client = s3Client(t, gateway.url);
  await client.send(new CreateBucketCommand({ Bucket: 'bkt' }));
  const { UploadId = '' } = await client.send(new CreateMultipartUploadCommand({ Bucket: 'bkt', Key: 'parts' }));
  const bytesOf = ({ method = 'GET', target, headers = {}, unsigned = [], body = '' }: Sent): Buffer => {
    const length =
      body === '' && method !== 'PUT' && method !== 'POST' ? {} : { 'content-length': String(body.length) };
    const all = { host: `127.0.0.1:${gateway.port}`, ...length, 'x-amz-content-sha256': sha256(body), ...headers };
    const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== 'absent'));
    const by = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, time: new Date() };
    const signed = signHeader({ method, target, headers: present }, by);
    const lines = [...Object.entries(signed.headers).map(([name, value]) => `${name}: ${value}`), ...unsigned];
    return Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
  };
  /** All that the store holds. */
  const state = async () => ({
    files: dataFiles(folder),
    objects: (await client.send(new ListObjectsV2Command({ Bucket: 'bkt' }))).Contents ?? [],
    uploads: ((await client.send(new ListMultipartUploadsCommand({ Bucket: 'bkt' }))).Uploads ?? []).length,
    parts: (await client.send(new ListPartsCommand({ Bucket: 'bkt', Key: 'parts', UploadId }))).Parts ?? [],
  });
  return {
    gateway,
    client,
    uploadId: UploadId,
    bytesOf,
    state,
    send: (sent: Sent) => exchange(gateway.port, bytesOf(sent)),
  };
}

const EMPTY = { files: [], objects: [], uploads: 1, parts: [] };
const put = (headers: Fields, body = LARGE): Sent => ({ method: 'PUT', target: '/bkt/k', headers, body });
const chunked = (mode: string, decoded: number): Fields => ({
  'x-amz-content-sha256': mode,
  'x-amz-decoded-content-length': String(decoded),
});
const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
const frame = (size: number, trailer = '') =>
  `${LARGE.length.toString(16)}\r\n${LARGE}\r\n0\r\n${trailer}\r\n`.slice(0, size);
const post = (target: string, body: string, headers: Fields = {}): Sent => ({ method: 'POST', target, headers, body });
const deletion = (body: string): Sent => post('/bkt?delete', body, { 'content-md5': md5(body) });
const tagging = (body: string): Sent => ({ method: 'PUT', target: '/bkt/k?tagging', body });

const BODIES: readonly (readonly [title: string, code: string, status: number, sent: Sent])[] = [
  ['another hash', 'XAmzContentSHA256Mismatch', 400, put({ 'x-amz-content-sha256': sha256('y') })],
  ['a hash that is none', 'InvalidArgument', 400, put({ 'x-amz-content-sha256': 'zz' })],
  ['another MD5', 'BadDigest', 400, put({ 'content-md5': md5('y') })],
  ['an MD5 that is none', 'InvalidDigest', 400, put({ 'content-md5': 'short' })],
  ['another CRC32', 'BadDigest', 400, put({ 'x-amz-checksum-crc32': 'AAAAAA==' })],
  ['a CRC32 that is none', 'InvalidRequest', 400, put({ 'x-amz-checksum-crc32': '!' })],
  ['another SHA-256 checksum', 'BadDigest', 400, put({ 'x-amz-checksum-sha256': Buffer.alloc(32).toString('base64') })],
  ['no length', 'MissingContentLength', 411, put({ 'content-length': 'absent' }, '')],
  [
    'more than 5 GiB',
    'EntityTooLarge',
    400,
    { ...put({ 'content-length': String(5 * 2 ** 30 + 1), 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }, '') },
  ],
  [
    'a part of more than 5 GiB',
    'EntityTooLarge',
    400,
    {
      ...put({ 'content-length': String(5 * 2 ** 30 + 1), 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }, ''),
      target: '/bkt/parts?partNumber=1&uploadId=UPLOAD',
    },
  ],
  [
    'a part with another MD5',
    'BadDigest',
    400,
    { ...put({ 'content-md5': md5('y') }), target: '/bkt/parts?partNumber=1&uploadId=UPLOAD' },
  ],
  [
    'C14 a wrong trailer',
    'BadDigest',
    400,
    put(
      { ...chunked(UNSIGNED_TRAILER, LARGE.length), 'x-amz-trailer': 'x-amz-checksum-crc32' },
      frame(Infinity, 'x-amz-checksum-crc32:AAAAAA==\r\n'),
    ),
  ],
  [
    'C15 no trailer',
    'MalformedTrailerError',
    400,
    put({ ...chunked(UNSIGNED_TRAILER, LARGE.length), 'x-amz-trailer': 'x-amz-checksum-crc32' }, frame(Infinity)),
  ],
  [
    'C08 fewer bytes than declared',
    'IncompleteBody',
    400,
    put(chunked(UNSIGNED_TRAILER, LARGE.length + 1), frame(Infinity)),
  ],
  [
    'D06 more bytes than declared',
    'IncompleteBody',
    400,
    put(chunked(UNSIGNED_TRAILER, LARGE.length - 1), frame(Infinity)),
  ],
  ['D05 a chunk beyond all bounds', 'IncompleteBody', 400, put(chunked(UNSIGNED_TRAILER, 10), 'ffffffffffff\r\nx')],
  ['metadata beyond 2 KiB', 'MetadataTooLarge', 400, put({ 'x-amz-meta-a': 'v'.repeat(2049) })],
  ['D11 headers beyond 8 KiB', 'RequestHeaderSectionTooLarge', 400, put({ 'x-amz-meta-a': 'v'.repeat(9000) })],
  ['a storage class that is none', 'InvalidStorageClass', 400, put({ 'x-amz-storage-class': 'NONSENSE' })],
  ['tags that are none', 'InvalidTag', 400, put({ 'x-amz-tagging': `${'k'.repeat(129)}=v` })],
  ['a part of no upload', 'NoSuchUpload', 404, { ...put({}), target: '/bkt/parts?partNumber=1&uploadId=AAAA' }],
  ['part 0', 'InvalidArgument', 400, { ...put({}), target: '/bkt/parts?partNumber=0&uploadId=UPLOAD' }],
  ['part 10,001', 'InvalidArgument', 400, { ...put({}), target: '/bkt/parts?partNumber=10001&uploadId=UPLOAD' }],
  ['no bucket', 'NoSuchBucket', 404, { ...put({}), target: '/none/k' }],
  ['a bucket name that is none', 'InvalidBucketName', 400, { ...put({}), target: '/b_/k' }],
  ['S07 a bucket and a key behind %2F', 'InvalidBucketName', 400, { ...put({}), target: '/bkt%2Fk' }],
  ['a key of 1,025 bytes', 'KeyTooLongError', 400, { ...put({}), target: `/bkt/${'k'.repeat(1025)}` }],
  ['a key that is not UTF-8', 'InvalidURI', 400, { ...put({}), target: '/bkt/%ff' }],
  ['a key with NUL', 'InvalidURI', 400, { ...put({}), target: '/bkt/a%00' }],
  ['a copy of nothing', 'NoSuchKey', 404, put({ 'x-amz-copy-source': '/bkt/none' }, '')],
  ['a copy source that is none', 'InvalidArgument', 400, put({ 'x-amz-copy-source': 'bkt' }, '')],
  ['S31 a version of nothing here', 'NoSuchVersion', 404, { target: '/bkt/k?versionId=7f' }],
];

const DOCUMENTS: typeof BODIES = [
  ['no document', 'MalformedXML', 400, deletion('')],
  ['no XML', 'MalformedXML', 400, deletion('hello')],
  ['X05 a cut document', 'MalformedXML', 400, deletion('<Delete><Object><Key>a</Key>')],
  ['X01 a DOCTYPE', 'MalformedXML', 400, deletion('<!DOCTYPE d><Delete><Object><Key>a</Key></Object></Delete>')],
  ['another root', 'MalformedXML', 400, deletion('<Remove><Object><Key>a</Key></Object></Remove>')],
  ['no keys', 'MalformedXML', 400, deletion('<Delete></Delete>')],
  ['X10 an object without a key', 'MalformedXML', 400, deletion('<Delete><Object><Name>a</Name></Object></Delete>')],
  [
    'X09 an object with two keys',
    'MalformedXML',
    400,
    deletion('<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>'),
  ],
  [
    'X04 10,001 keys',
    'MalformedXML',
    400,
    deletion(`<Delete>${'<Object><Key>a</Key></Object>'.repeat(10_001)}</Delete>`),
  ],
  [
    'a deletion without a digest',
    'InvalidRequest',
    400,
    post('/bkt?delete', '<Delete><Object><Key>a</Key></Object></Delete>'),
  ],
  [
    'a deletion with another digest',
    'BadDigest',
    400,
    post('/bkt?delete', '<Delete><Object><Key>a</Key></Object></Delete>', { 'content-md5': md5('y') }),
  ],
  [
    'a document beyond its bound',
    'MaxMessageLengthExceeded',
    400,
    deletion(`<Delete>${' '.repeat(5 * 2 ** 20)}</Delete>`),
  ],
  [
    'a completion without parts',
    'MalformedXML',
    400,
    post('/bkt/parts?uploadId=UPLOAD', '<CompleteMultipartUpload></CompleteMultipartUpload>'),
  ],
  [
    'a completion with a part that is not there',
    'InvalidPart',
    400,
    post(
      '/bkt/parts?uploadId=UPLOAD',
      '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"e"</ETag></Part></CompleteMultipartUpload>',
    ),
  ],
  ['a completion that is no XML', 'MalformedXML', 400, post('/bkt/parts?uploadId=UPLOAD', '<')],
  ['a bucket from no XML', 'MalformedXML', 400, { method: 'PUT', target: '/new-bucket', body: '<' }],
  ['tags from no XML', 'MalformedXML', 400, tagging('<')],
];

/** Known to S3, not to the embedded store: never taken for something else. */
const UNIMPLEMENTED: readonly Sent[] = [
  post('/bkt/k?select&select-type=2', '<SelectObjectContentRequest/>'),
  post('/bkt/k?restore', '<RestoreRequest/>'),
  { target: '/bkt/k?torrent' },
  { method: 'PUT', target: '/bkt/k?retention', body: '<Retention/>' },
  { method: 'PUT', target: '/bkt/k?legal-hold', body: '<LegalHold/>' },
  { method: 'PUT', target: '/bkt/k?append', body: LARGE },
  { method: 'PUT', target: '/bkt?replication', body: '<ReplicationConfiguration/>' },
  { method: 'PUT', target: '/bkt?inventory&id=1', body: '<InventoryConfiguration/>' },
  { method: 'POST', target: '/bkt?metadataTable', body: '<x/>' },
];

async function check(t: Test, cases: typeof BODIES): Promise<void> {
  const { send, state, uploadId } = await start(t);
  for (const [title, code, status, sent] of cases) {
    const answer = await send({ ...sent, target: sent.target.replace('UPLOAD', uploadId) });
    t.same([answer.code, answer.status], [code, status], `${title}: ${code}\n${answer.text.slice(-400)}`);
    t.match(answer.text, /content-type: application\/xml\r\n/i, title);
    t.match(
      answer.text,
      /\r\n\r\n<\?xml [^>]*>\n<Error><Code>\w+<\/Code><Message>[^<]+<\/Message>.*<RequestId>\w+<\/RequestId><\/Error>$/s,
      title,
    );
  }
  t.strictSame(await state(), EMPTY, 'no object, no part, no file');
}

t.test('C26 a bad upload gets its error and leaves nothing', async (t) => check(t, BODIES));
t.test('X10 a bad document gets its error and changes nothing', async (t) => check(t, DOCUMENTS));

t.test('X10 X12 what a document says besides is passed over, and prefixes mean nothing', async (t) => {
  const { send } = await start(t);
  const prefixed =
    '<s:Delete xmlns:s="http://s3.amazonaws.com/doc/2006-03-01/"><s:Object><s:Key>a</s:Key></s:Object><s:Quiet>false</s:Quiet></s:Delete>';
  t.match((await send(deletion(prefixed))).text, '<Deleted><Key>a</Key></Deleted>');
  const more = '<Delete><Later>x</Later><Object><Key>a</Key><Colour>red</Colour></Object></Delete>';
  t.match((await send(deletion(more))).text, '<Deleted><Key>a</Key></Deleted>');
});

t.test('D18 what is not built says so, and is not taken for an upload', async (t) => {
  const { send, state } = await start(t);
  for (const sent of UNIMPLEMENTED) {
    const answer = await send(sent);
    t.same([answer.status, answer.code], [501, 'NotImplemented'], `${sent.method ?? 'GET'} ${sent.target}`);
  }
  t.strictSame(await state(), EMPTY);
});

t.test('R12 an upload that breaks off leaves nothing', async (t) => {
  const { gateway, bytesOf, state, uploadId } = await start(t);
  const uploads = [
    put({}),
    { ...put({}), target: `/bkt/parts?partNumber=1&uploadId=${uploadId}` },
    put(
      { ...chunked(UNSIGNED_TRAILER, LARGE.length), 'x-amz-trailer': 'x-amz-checksum-crc32' },
      frame(Infinity, 'x-amz-checksum-crc32:AAAAAA==\r\n'),
    ),
  ];
  for (const upload of uploads) {
    const bytes = bytesOf(upload);
    for (const cut of [1, 3, 1000, 2 ** 20]) {
      const socket = connect(gateway.port, '127.0.0.1');
      await once(socket, 'connect');
      const before = gateway.log().length;
      socket.end(bytes.subarray(0, -cut));
      socket.resume();
      await once(socket, 'close');
      while (!gateway.log().slice(before).includes('"msg":"request"')) await new Promise((done) => setImmediate(done));
    }
  }
  t.strictSame(await state(), EMPTY);
});

const HEADERS =
  'accept-encoding authorization cache-control connection content-disposition content-encoding content-length content-md5 content-type cookie date expect expires if-match if-modified-since if-none-match if-unmodified-since origin range te transfer-encoding user-agent x-amz-acl x-amz-checksum-algorithm x-amz-checksum-crc32 x-amz-checksum-mode x-amz-checksum-type x-amz-content-sha256 x-amz-copy-source x-amz-copy-source-if-match x-amz-copy-source-range x-amz-date x-amz-decoded-content-length x-amz-expected-bucket-owner x-amz-max-parts x-amz-meta- x-amz-meta-a x-amz-metadata-directive x-amz-mp-object-size x-amz-object-attributes x-amz-object-lock-mode x-amz-part-number-marker x-amz-request-payer x-amz-sdk-checksum-algorithm x-amz-security-token x-amz-server-side-encryption x-amz-storage-class x-amz-tagging x-amz-tagging-directive x-amz-trailer x-amz-website-redirect-location'.split(
    ' ',
  );
const PARAMETERS =
  'acl attributes continuation-token delete delimiter encoding-type fetch-owner key-marker list-type location marker max-keys max-parts max-uploads part-number-marker partNumber policy prefix response-content-type response-expires start-after tagging upload-id-marker uploadId uploads version-id-marker versionId versioning versions X-Amz-Algorithm X-Amz-Credential X-Amz-Signature x-id AWSAccessKeyId Expires Signature'.split(
    ' ',
  );

t.test('D08 D14 an empty or senseless value, wherever it stands, is never a failure of ours', async (t) => {
  const { send, gateway } = await start(t);
  const places = [
    ['GET', '/bkt/k'],
    ['PUT', '/bkt/k'],
    ['GET', '/bkt'],
    ['POST', '/bkt/k'],
  ] as const;
  for (const [method, path] of places) {
    for (const value of ['', '\u00ff', '-1', '99999999999999999999']) {
      for (const header of HEADERS) {
        const isFraming = header === 'content-length' || header === 'transfer-encoding' || header === 'authorization';
        const sent = isFraming ? { unsigned: [`${header}: ${value}`] } : { headers: { [header]: value } };
        const { status } = await send({ method, target: path, ...sent });
        t.ok(status > 0 && (status < 500 || status === 501), `${method} ${path} ${header}: ${value} is ${status}`);
      }
      for (const name of PARAMETERS) {
        const { status } = await send({ method, target: `${path}?${name}=${encodeURIComponent(value)}` });
        t.ok(status > 0 && (status < 500 || status === 501), `${method} ${path}?${name}=${value} is ${status}`);
      }
    }
  }
  t.notMatch(gateway.log(), '"level":50', 'nothing was logged as an error');
});
