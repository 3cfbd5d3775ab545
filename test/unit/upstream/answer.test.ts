import { Readable } from 'node:stream';
import t from 'tap';
import type { KnownOperation } from '../../../src/s3/operation.ts';
import { toResponse } from '../../../src/upstream/answer.ts';
import { VENDORS } from '../../../src/upstream/vendors.ts';
import { silentLog } from '../../support/log.ts';
import { textOf } from '../../support/s3-request.ts';

function answer(operation: KnownOperation, document: string): Promise<string> {
  const response = {
    status: 200,
    headers: new Map([['content-length', String(Buffer.byteLength(document))]]),
    framing: 'length',
    body: Readable.from([Buffer.from(document)]),
  } as const;
  const place = { operation, key: undefined, hasNativeGuard: false };
  return toResponse(response, place, { dialect: VENDORS.other }, silentLog).then(textOf);
}

t.test('E04 the accounts of owners, initiators and grantees stay with the storage', async (t) => {
  const account = '<ID>canary</ID><DisplayName>canary</DisplayName>';
  const documents: readonly (readonly [KnownOperation, string])[] = [
    ['ListObjects', `<ListBucketResult><Contents><Key>é</Key><Owner>${account}</Owner></Contents></ListBucketResult>`],
    ['ListObjectsV2', `<ListBucketResult><Contents><Owner>${account}</Owner></Contents></ListBucketResult>`],
    ['ListParts', `<ListPartsResult><Initiator>${account}</Initiator><Owner>${account}</Owner></ListPartsResult>`],
    ['ListMultipartUploads', `<ListMultipartUploadsResult><Owner>${account}</Owner></ListMultipartUploadsResult>`],
    ['ListObjectVersions', `<ListVersionsResult><Owner>${account}</Owner></ListVersionsResult>`],
    ['ListBuckets', `<ListAllMyBucketsResult><Owner>${account}</Owner></ListAllMyBucketsResult>`],
    [
      'GetObjectAcl',
      `<AccessControlPolicy><Grant><Grantee xsi:type="x"><EmailAddress>canary</EmailAddress></Grantee></Grant></AccessControlPolicy>`,
    ],
    ['GetBucketAcl', `<n:AccessControlPolicy><n:Owner><n:ID a="b">canary</n:ID></n:Owner></n:AccessControlPolicy>`],
  ];
  for (const [operation, document] of documents) {
    const text = await answer(operation, document);
    t.notMatch(text, 'canary', operation);
    t.match(text, '>sluice</', operation);
  }
  t.match(await answer('ListObjects', documents[0]?.[1] ?? ''), '<Key>é</Key>', 'the rest is left byte for byte');
});

t.test('a key may be called as it likes', async (t) => {
  const document = '<ListBucketResult><Contents><Key>&lt;ID>x&lt;/ID></Key><ID/></Contents></ListBucketResult>';
  t.equal(await answer('ListObjects', document), document);
});

t.test('E07 an ETag has its quotes in every document but one', async (t) => {
  const list = (etags: readonly string[]) =>
    `<ListBucketResult>${etags.map((etag) => `<Contents><ETag>${etag}</ETag></Contents>`).join('')}</ListBucketResult>`;
  t.equal(await answer('ListObjects', list(['aB-1', 'c'])), list(['&quot;aB-1&quot;', '&quot;c&quot;']));
  for (const quoted of ['"a"', '&quot;a&quot;', '&#34;a&#34;', '']) {
    t.equal(await answer('ListObjects', list([quoted])), list([quoted]));
  }
  t.equal(await answer('ListObjects', list([])), list([]));
  const attributes = '<GetObjectAttributesResponse><ETag>a</ETag></GetObjectAttributesResponse>';
  t.equal(await answer('GetObjectAttributes', attributes), attributes);
});
