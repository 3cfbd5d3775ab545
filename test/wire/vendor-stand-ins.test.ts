import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { generatedBytes } from '../support/generated.ts';
import { signedChunks, signHeader } from '../support/slow-verifier.ts';
import { type Ask, ask, md5Of, ownStyle, type Told } from '../vendors/ask.ts';
import { bucket, framing, NAMES, object, QUESTIONS } from '../vendors/questions.ts';
import { STAND_INS, type StandInName } from '../vendors/rows.ts';
import { STAND_IN_KEY, type StandIn, startStandIn } from '../vendors/stand-in.ts';

function locationOf(name: StandInName): string {
  const { locations } = STAND_INS[name];
  const location = locations?.at(-1) ?? '';
  if (location === '') return '';
  return `<CreateBucketConfiguration><LocationConstraint>${location}</LocationConstraint></CreateBucketConfiguration>`;
}

/** A stand-in with one bucket, small enough limits, and an object `there`. */
async function prepared(
  t: Test,
  name: StandInName,
  changes: Parameters<typeof startStandIn>[1] = {},
): Promise<StandIn> {
  const standIn = await startStandIn(name, changes);
  t.teardown(() => standIn.close());
  const made = await ask(standIn, { method: 'PUT', bucket, body: locationOf(name) });
  if (made.status !== 200) throw new Error(`${name}: ${made.text}`);
  await ask(standIn, { ...object, key: 'there' });
  return standIn;
}

for (const name of NAMES) {
  t.test(`the stand-in of ${name} refuses what the vendor refuses, and serves the rest`, async (t) => {
    const standIn = await prepared(t, name);
    for (const question of QUESTIONS) {
      const told = await ask(standIn, question.ask);
      const expected = question.refused[name];
      const [status, code] = expected?.split(' ') ?? [];
      if (expected === undefined) t.ok(told.status < 300, `${question.field} is served: ${told.status} ${told.text}`);
      else t.strictSame([String(told.status), told.code], [status, code], question.field);
    }
  });

  t.test(`the stand-in of ${name} keeps what it is given`, async (t) => {
    const standIn = await prepared(t, name, { minPart: 1000 });
    await keeps(t, standIn);
  });
}

async function keeps(t: Test, standIn: StandIn): Promise<void> {
  const { row } = standIn;
  const key = 'dir/a%20b%2B%E6%B5%8B';
  const bytes = generatedBytes(300_000, 1);
  const put = await ask(standIn, { method: 'PUT', bucket, key, body: bytes, headers: { 'x-amz-meta-a': 'b' } });
  t.equal(put.status, 200);
  const md5 = createHash('md5').update(bytes).digest('hex');
  const etag = row.etagCase === 'upper' ? md5.toUpperCase() : md5;
  t.equal(put.headers.etag, row.etagQuotes ? `"${etag}"` : etag);
  const head = await ask(standIn, { method: 'HEAD', bucket, key });
  t.match(head.headers, { 'content-length': '300000', 'x-amz-meta-a': 'b' });
  const range = await ask(standIn, { bucket, key, headers: { range: 'bytes=299990-' } });
  t.match(range, { status: 206, headers: { 'content-range': 'bytes 299990-299999/300000', 'content-length': '10' } });
  t.equal((await ask(standIn, { bucket, key, headers: { range: 'bytes=300000-' } })).code, 'InvalidRange');
  t.equal((await ask(standIn, { bucket, key, headers: { 'if-none-match': put.headers.etag ?? '' } })).status, 304);
  t.equal((await ask(standIn, { bucket, key: 'absent' })).code, 'NoSuchKey');

  const listed = await ask(standIn, { bucket, query: 'delimiter=%2F&max-keys=1' });
  t.equal(listed.element('IsTruncated'), 'true');
  t.match(listed.text, '<Prefix>dir/</Prefix>');
  const next = await ask(standIn, { bucket, query: `delimiter=%2F&marker=${listed.element('NextMarker')}` });
  t.strictSame([next.element('Key'), next.element('IsTruncated')], ['there', 'false']);

  const copied = await ask(standIn, {
    method: 'PUT',
    bucket,
    key: 'copy',
    headers: { 'x-amz-copy-source': `/${bucket}/${key}` },
  });
  t.match(copied.text, '<CopyObjectResult');
  t.match((await ask(standIn, { method: 'HEAD', bucket, key: 'copy' })).headers, { 'x-amz-meta-a': 'b' });
  await inParts(t, standIn, `/${bucket}/${key}`);

  const list =
    '<Delete><Object><Key>dir/a b+测</Key></Object><Object><Key>copy</Key></Object><Object><Key>parts</Key></Object><Object><Key>there</Key></Object></Delete>';
  t.equal((await ask(standIn, { method: 'DELETE', bucket })).code, 'BucketNotEmpty');
  const gone = await ask(standIn, {
    method: 'POST',
    bucket,
    query: 'delete',
    body: list,
    headers: { 'content-md5': md5Of(list) },
  });
  t.equal(gone.text.match(/<Deleted>/g)?.length, 4);
  t.equal((await ask(standIn, { method: 'DELETE', bucket })).status, 204);
  t.equal((await ask(standIn, { bucket })).code, 'NoSuchBucket');
}

async function inParts(t: Test, standIn: StandIn, source: string): Promise<void> {
  const { row } = standIn;
  const key = 'parts';
  const begun = await ask(standIn, { method: 'POST', bucket, key, query: 'uploads' });
  const id = begun.element('UploadId') ?? '';
  const put = async (number: number, size: number): Promise<string> => {
    const body = generatedBytes(size, number);
    const told = await ask(standIn, { method: 'PUT', bucket, key, query: `partNumber=${number}&uploadId=${id}`, body });
    return `<Part><PartNumber>${number}</PartNumber><ETag>${told.headers.etag}</ETag></Part>`;
  };
  const complete = (parts: readonly string[]): Promise<Told> => {
    const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
    return ask(standIn, { method: 'POST', bucket, key, query: `uploadId=${id}`, body });
  };
  const one = await put(1, 2000);
  const two = await put(2, 3000);
  const three = await put(3, 10);
  const small = await put(4, 10);
  t.equal((await complete([one, three, small])).code, 'EntityTooSmall');
  t.equal((await complete([two, one])).code, 'InvalidPartOrder');
  t.equal((await complete([one.replace(/ETag>"?./, 'ETag>"0')])).code, 'InvalidPart');
  if (row.equalParts) t.equal((await complete([one, two, three])).code, 'InvalidPart', 'parts must be equal');
  const copied = await ask(standIn, {
    method: 'PUT',
    bucket,
    key,
    query: `partNumber=2&uploadId=${id}`,
    headers: { 'x-amz-copy-source': source, 'x-amz-copy-source-range': 'bytes=0-1999' },
  });
  if (row.partCopy !== 'served') {
    t.equal(copied.code, 'NotImplemented', 'no UploadPartCopy');
    await put(2, 2000);
  }
  const listed = await ask(standIn, { bucket, key, query: `uploadId=${id}&max-parts=2` });
  const etags = [...listed.text.matchAll(/<ETag>(.*?)<\/ETag>/g)].map((match) => match[1] ?? '');
  t.strictSame([etags.length, listed.element('IsTruncated')], [2, 'true']);
  const parts = etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
  const done = await complete([...parts, three]);
  t.match(done.text, '<CompleteMultipartUploadResult');
  t.match(await ask(standIn, { method: 'HEAD', bucket, key }), { headers: { 'content-length': '4010' } });
  t.equal((await complete([...parts, three])).code, 'NoSuchUpload');
}

t.test('signed chunks are taken by some, and each chunk is checked', async (t) => {
  const taken: string[] = [];
  for (const name of NAMES) {
    const standIn = await prepared(t, name);
    const time = new Date();
    const wire = {
      method: 'PUT',
      target: ownStyle(standIn) === 'path' ? `/${bucket}/chunks` : '/chunks',
      headers: {
        host: ownStyle(standIn) === 'path' ? standIn.endpoint : `${bucket}.${standIn.endpoint}`,
        ...framing,
        'x-amz-decoded-content-length': '20000',
        'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      },
    };
    const options = { ...STAND_IN_KEY, time, region: standIn.row.region, sizes: [8192, 8192, 3616] };
    const signed = signHeader(wire, options);
    const bytes = signedChunks(generatedBytes(20_000, 3), signed, options);
    const sent = { method: 'PUT', bucket, key: 'chunks', sign: 'not', headers: { ...signed.headers } } as const;
    const told = await ask(standIn, { ...sent, body: bytes });
    if (told.status === 200) taken.push(name);
    else continue;
    t.equal((await ask(standIn, { method: 'HEAD', bucket, key: 'chunks' })).headers['content-length'], '20000');
    const edited = Buffer.from(bytes);
    edited[9000] = (edited[9000] ?? 0) ^ 1;
    t.equal((await ask(standIn, { ...sent, body: edited })).code, 'SignatureDoesNotMatch');
    t.equal((await ask(standIn, { ...sent, body: bytes.subarray(0, -90) })).code, 'IncompleteBody');
  }
  t.strictSame(taken, ['obs', 'aws', 'minio', 'ceph']);
});

t.test('a listing goes on as the vendor says', async (t) => {
  const listing = async (name: StandInName, query: string): Promise<Told> => {
    const standIn = await prepared(t, name);
    await ask(standIn, { ...object, key: 'a/x' });
    await ask(standIn, { ...object, key: '%C3%BC/x' });
    return ask(standIn, { bucket, query });
  };
  const v2 = 'list-type=2&max-keys=1';
  t.match((await listing('aws', v2)).text, /<NextContinuationToken>/);
  for (const name of ['cos', 'other'] as const)
    t.notMatch((await listing(name, v2)).text, /ContinuationToken|KeyCount/);
  const coded = 'encoding-type=url&prefix=%C3%BC';
  t.match((await listing('aws', coded)).text, '<Key>%C3%BC/x</Key>');
  for (const name of ['tos', 'other'] as const) {
    const told = await listing(name, coded);
    t.equal(told.element('Key'), 'ü/x', `${name} ignores it`);
    t.equal(told.element('EncodingType'), undefined, `${name} does not echo it`);
  }
  t.equal((await listing('obs', 'encoding-type=url&marker=b')).element('Key'), 'a/x', 'the marker is not honoured');
  const groups = 'encoding-type=url&delimiter=%2F';
  t.match((await listing('ceph', groups)).text, '<CommonPrefixes><Prefix>ü/</Prefix>');
  t.match((await listing('aws', groups)).text, '<CommonPrefixes><Prefix>%C3%BC/</Prefix>');
  t.equal((await listing('minio', 'uploads')).element('UploadId'), undefined);
});

t.test("answers look like the vendor's", async (t) => {
  const errorOf = async (name: StandInName, parts: Ask): Promise<Told> => {
    const standIn = await prepared(t, name);
    return ask(standIn, parts);
  };
  const chunked = QUESTIONS.find(({ field }) => field.startsWith('trailers'))?.ask ?? object;
  const oss = await errorOf('oss', chunked);
  t.equal(oss.element('EC'), '0017-00000804');
  t.match(oss.element('RecommendDoc'), /0017-00000804$/);
  t.match(oss.element('HostId'), new RegExp(`^${bucket}\\.`));
  t.equal(oss.headers['x-amz-request-id'], undefined);
  t.ok(oss.headers['x-oss-request-id']);
  const mismatch = await errorOf('tos', { ...object, secretKey: 'wrong' });
  t.equal(mismatch.element('AWSAccessKeyId'), STAND_IN_KEY.accessKey);
  t.ok(mismatch.headers['x-amz-ec']);
  t.ok((await errorOf('cos', { bucket, key: 'x' })).element('TraceId'));
  t.equal((await errorOf('gcs', { method: 'PUT', bucket, body: '' })).code, 'BucketNameUnavailable');
  t.equal((await errorOf('ceph', { method: 'PUT', bucket, body: '' })).code, 'BucketAlreadyExists');
  t.equal((await errorOf('oss', { method: 'PUT', bucket, body: '' })).status, 200);
  t.equal((await errorOf('other', { ...object })).headers.etag, '5d41402abc4b2a76b9719d911017c592');
  t.equal((await errorOf('oss', { ...object })).headers.etag, '"5D41402ABC4B2A76B9719D911017C592"');
});

t.test('limits can be made small', async (t) => {
  const standIn = await prepared(t, 'b2', { maxPut: 150, maxCopy: 50 });
  t.equal((await ask(standIn, { ...object, body: 'x'.repeat(151) })).code, 'EntityTooLarge');
  t.equal((await ask(standIn, { ...object, key: 'big', body: 'x'.repeat(150) })).status, 200);
  const copy = { method: 'PUT', bucket, key: 'c', headers: { 'x-amz-copy-source': `${bucket}/big` } };
  t.equal((await ask(standIn, copy)).code, 'InvalidRequest');
  t.equal((await ask(standIn, { ...copy, key: 'big' })).code, 'InvalidRequest');
});

t.test('every uncertain or strict value says where it comes from', (t) => {
  const base = Object.fromEntries(Object.entries(STAND_INS.aws));
  const plain =
    /^(host|region|because|answerHeaders|errorElements|errorHeaders|acls|locations|storageClasses|bucketNames|chunkedTransfer)$/;
  for (const name of NAMES) {
    const row = Object.fromEntries(Object.entries(STAND_INS[name]));
    const reasons: Readonly<Record<string, string>> = STAND_INS[name].because;
    for (const [field, value] of Object.entries(row)) {
      const differs =
        typeof value === 'object' ? JSON.stringify(value) !== JSON.stringify(base[field]) : value !== base[field];
      if (differs && !plain.test(field) && !(field in reasons)) t.fail(`${name}.${field} gives no reason`);
    }
    t.ok(Object.keys(reasons).length > 0, name);
  }
  t.end();
});
