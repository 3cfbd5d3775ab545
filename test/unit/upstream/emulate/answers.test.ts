import { createHash } from 'node:crypto';
import t from 'tap';
import { S3Error, type S3ErrorCode } from '../../../../src/s3/error.ts';
import { AnswerFailure, TransportFailure } from '../../../../src/s3/failure.ts';
import type { Handler, S3Request, S3Response } from '../../../../src/s3/message.ts';
import { childText, parseXml } from '../../../../src/s3/xml.ts';
import type { StandIn } from '../../../../src/upstream/dialect.ts';
import { bucketSuffix } from '../../../../src/upstream/emulate/bucket-suffix.ts';
import { lostComplete } from '../../../../src/upstream/emulate/lost-complete.ts';
import { standIns } from '../../../../src/upstream/emulate/stand-ins.ts';
import { storageClass } from '../../../../src/upstream/emulate/storage-class.ts';
import { md5, narrowService } from '../../../support/narrow-service.ts';
import { type RequestParts, s3Request, textOf } from '../../../support/s3-request.ts';

const get = (parts: Partial<RequestParts> = {}) => s3Request({ method: 'GET', bucket: 'bucket', ...parts });

/** Query, the operation and the root of its answer. */
const QUESTIONS: readonly (readonly [string, StandIn, string, string?])[] = [
  ['location', 'GetBucketLocation', 'LocationConstraint'],
  ['versioning', 'GetBucketVersioning', 'VersioningConfiguration'],
  ['acl', 'GetBucketAcl', 'AccessControlPolicy'],
  ['tagging', 'GetBucketTagging', 'Tagging'],
  ['acl', 'GetObjectAcl', 'AccessControlPolicy', 'k'],
  ['tagging', 'GetObjectTagging', 'Tagging', 'k'],
];

for (const [query, operation, root, key] of QUESTIONS) {
  t.test(`R19 R20 ${operation} is answered where the service has no answer`, async (t) => {
    for (const missing of [[operation], []]) {
      const service = narrowService();
      if (key !== undefined) service.objects.set(key, { bytes: Buffer.alloc(1), headers: new Map(), etag: 'e' });
      const handler = standIns({ missing })(service.handler);
      const request = get({ query, ...(key !== undefined && { key }) });
      const answer = await handler(request);
      t.equal(parseXml(Buffer.from(await textOf(answer))).name, root);
      t.equal(
        service.seen[0]?.operation === operation,
        missing.length === 0,
        'it is asked unless it is known to lack it',
      );
      const refusing = (code: S3ErrorCode) =>
        standIns({ missing })(async ({ method }) => {
          throw new S3Error(method === 'HEAD' || code === 'AccessDenied' ? code : 'NotImplemented');
        });
      for (const code of ['NoSuchBucket', 'AccessDenied'] as const) await t.rejects(refusing(code)(request), { code });
    }
  });
}

t.test('GetObjectAttributes is made of a HEAD', async (t) => {
  const service = narrowService();
  const headers = new Map([['x-amz-meta-sluice-checksum', 'CRC32=AAAAAA==']]);
  service.objects.set('k', { bytes: Buffer.alloc(7), headers, etag: 'e' });
  const handler = standIns({ missing: ['GetObjectAttributes'] })(service.handler);
  const ask = async (attributes: string) =>
    parseXml(
      Buffer.from(
        await textOf(
          await handler(get({ key: 'k', query: 'attributes', headers: { 'x-amz-object-attributes': attributes } })),
        ),
      ),
    );
  const all = await ask('ETag,ObjectSize,StorageClass, Checksum');
  t.match(
    ['ETag', 'ObjectSize', 'StorageClass'].map((name) => childText(all, name)),
    ['e', '7', 'STANDARD'],
  );
  t.match(all.children.find(({ name }) => name === 'Checksum')?.children, [
    { name: 'ChecksumCRC32', text: 'AAAAAA==' },
  ]);
  t.same(
    (await ask('ObjectSize')).children.map(({ name }) => name),
    ['ObjectSize'],
  );
});

t.test('what is behind every bucket name is neither seen nor said by clients', async (t) => {
  const seen: S3Request[] = [];
  const document =
    '<R><Name>data-125</Name><Bucket>data-125</Bucket><Key>data-125</Key><Location>http://data-125.host/k</Location></R>';
  const next: Handler = async (request) => {
    seen.push(request);
    return { status: 200, headers: new Map([['location', '/data-125']]), body: Buffer.from(document) };
  };
  const handler = bucketSuffix('-125')(next);
  const list = await textOf(await handler(get({ bucket: 'data', query: 'uploads' })));
  t.equal(list, '<R><Name>data</Name><Bucket>data</Bucket><Key>data-125</Key><Location></Location></R>');
  t.equal(seen[0]?.bucket, 'data-125');
  const headers = { 'x-amz-copy-source': '/other/a%3Fb?versionId=v' };
  await handler(get({ method: 'PUT', bucket: 'data', key: 'k', headers }));
  t.equal(seen[1]?.headers.get('x-amz-copy-source'), '/other-125/a%3Fb?versionId=v');
  t.notOk((await handler(get({ method: 'PUT', bucket: 'data' }))).headers.has('location'));
  await handler(s3Request({ method: 'GET' }));
  t.equal(seen.at(-1)?.bucket, undefined, 'the list of buckets has none');
});

t.test('storage classes have their S3 names in front and the service’s behind', async (t) => {
  const seen: S3Request[] = [];
  let answer: S3Response = { status: 200, headers: new Map(), body: null };
  const handler = storageClass({ GLACIER: 'ARCHIVE', STANDARD: 'Standard' })(async (request) => {
    seen.push(request);
    return answer;
  });
  const put = (name: string) => get({ method: 'PUT', key: 'k', headers: { 'x-amz-storage-class': name } });
  await handler(put('GLACIER'));
  await handler(put('UNHEARD_OF'));
  t.same(
    seen.map(({ headers }) => headers.get('x-amz-storage-class')),
    ['ARCHIVE', 'UNHEARD_OF'],
  );
  for (const [theirs, ours] of [
    ['ARCHIVE', 'GLACIER'],
    ['Standard', undefined],
    ['OTHER', 'OTHER'],
  ] as const) {
    answer = { status: 200, headers: new Map([['x-amz-storage-class', theirs]]), body: null };
    t.equal((await handler(get({ method: 'HEAD', key: 'k' }))).headers.get('x-amz-storage-class'), ours);
  }
  const body = Buffer.from('<L><StorageClass>ARCHIVE</StorageClass><StorageClass>Standard</StorageClass></L>');
  answer = { status: 200, headers: new Map(), body };
  t.equal(
    await textOf(await handler(get())),
    '<L><StorageClass>GLACIER</StorageClass><StorageClass>STANDARD</StorageClass></L>',
  );
});

t.test('R21 a Complete whose answer got lost is found to be done, or told as it was', async (t) => {
  const part = Buffer.from('bytes');
  const etag = `${createHash('md5').update(md5(part), 'hex').digest('hex')}-1`;
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"${md5(part)}"</ETag></Part></CompleteMultipartUpload>`;
  const complete = s3Request({ method: 'POST', bucket: 'bucket', key: 'k', query: 'uploadId=upload-1', body });
  const lost = new S3Error('ServiceUnavailable', { cause: new TransportFailure('exchange', 'ECONNRESET', undefined) });
  const unsent = new S3Error('ServiceUnavailable', {
    cause: new TransportFailure('connect', 'ECONNREFUSED', undefined),
  });
  for (const [failure, object, isDone] of [
    [lost, etag, true],
    [new S3Error('NoSuchUpload'), etag, true],
    [lost, 'other', false],
    [lost, undefined, false],
    [unsent, etag, false],
    [new S3Error('InvalidPart'), etag, false],
  ] as const) {
    const service = narrowService();
    if (object !== undefined) service.objects.set('k', { bytes: part, headers: new Map(), etag: object });
    const handler = lostComplete({ etag: 'aws' })((request) =>
      request.operation === 'CompleteMultipartUpload' ? Promise.reject(failure) : service.handler(request),
    );
    if (isDone) t.match(await textOf(await handler(complete)), `<ETag>&quot;${etag}&quot;</ETag>`);
    else await t.rejects(handler(complete), failure);
  }
});

t.test('R21 a Complete that fails because the upload is gone says so', async (t) => {
  const failed = (status: number) =>
    new S3Error('ServiceUnavailable', {
      cause: new AnswerFailure({ status, code: 'InternalError', date: undefined, retryAfter: '' }),
    });
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"${md5(Buffer.from('x'))}"</ETag></Part></CompleteMultipartUpload>`;
  const complete = s3Request({ method: 'POST', bucket: 'bucket', key: 'k', query: 'uploadId=upload-1', body });
  for (const [failure, parts, code] of [
    // Ceph 16 answers 500 to the Complete of an upload that was aborted, for good (test/interop/systems/score.test.ts).
    [failed(500), 'NoSuchUpload', 'NoSuchUpload'],
    [failed(500), 'NoSuchKey', 'NoSuchUpload'],
    [failed(500), 'NoSuchBucket', 'ServiceUnavailable'],
    [failed(500), 'AccessDenied', 'ServiceUnavailable'],
    [failed(500), undefined, 'ServiceUnavailable'],
    [failed(503), 'NoSuchUpload', 'ServiceUnavailable'],
  ] as const) {
    const asked: string[] = [];
    const handler = lostComplete({ etag: 'aws' })(async ({ operation, query }) => {
      if (operation === 'CompleteMultipartUpload') throw failure;
      asked.push(`${operation} ${query.get('uploadId') ?? ''}`.trim());
      if (operation === 'HeadObject') throw new S3Error('NoSuchKey');
      if (parts !== undefined) throw new S3Error(parts);
      return { status: 200, headers: new Map(), body: null };
    });
    await t.rejects(handler(complete), { code }, `${failure.cause} and ${parts}`);
    const isAsked = failure.cause instanceof AnswerFailure && failure.cause.status === 500;
    t.equal(asked[0], isAsked ? 'ListParts upload-1' : undefined);
  }
});

t.test('a Complete whose answer names no ETag gets the one its parts give', async (t) => {
  const etag = `${createHash('md5')
    .update(md5(Buffer.from('bytes')), 'hex')
    .digest('hex')}-1`;
  const part = `<Part><PartNumber>1</PartNumber><ETag>"${md5(Buffer.from('bytes'))}"</ETag></Part>`;
  const body = `<CompleteMultipartUpload>${part}</CompleteMultipartUpload>`;
  const complete = s3Request({ method: 'POST', bucket: 'bucket', key: 'k', query: 'uploadId=upload-1', body });
  for (const [named, due] of [
    ['<ETag></ETag>', etag],
    ['<ETag/>', etag],
    ['<ETag>&quot;own&quot;</ETag>', 'own'],
  ] as const) {
    const answer = Buffer.from(`<CompleteMultipartUploadResult>${named}</CompleteMultipartUploadResult>`);
    const handler = lostComplete({ etag: 'aws' })(async () => ({ status: 200, headers: new Map(), body: answer }));
    t.match(await textOf(await handler(complete)), `<ETag>&quot;${due}&quot;</ETag>`, named);
  }
});

t.test('an access list that is made up says of what kind its grantee is', async (t) => {
  const handler = standIns({ missing: ['GetObjectAcl'] })(async () => ({
    status: 200,
    headers: new Map(),
    body: null,
  }));
  const answer = await textOf(await handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'k', query: 'acl' })));
  t.match(answer, /<Grantee xmlns:xsi="[^"]+" xsi:type="CanonicalUser"><ID>sluice<\/ID>/);
});
