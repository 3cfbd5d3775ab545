import { createHash } from 'node:crypto';
import t from 'tap';
import { CALLER, type GateOptions, HOST, NOW, through, verdict } from '../../support/auth-gate.ts';
import { bytesOf } from '../../support/request.ts';
import {
  presign,
  presignV2,
  signHeader,
  signV2Header,
  v2Signature,
  v2StringToSign,
  type WireRequest,
} from '../../support/slow-verifier.ts';

const BY = { ...CALLER, time: NOW };
const GET: WireRequest = { method: 'GET', target: '/bucket/key', headers: { host: HOST } };
const PUT: WireRequest = { ...GET, method: 'PUT', headers: { host: HOST, 'content-length': '5' } };
const EMPTY_PUT: WireRequest = { ...PUT, headers: { host: HOST, 'content-length': '0' } };
const seconds = (count: number): GateOptions => ({ time: new Date(NOW.getTime() + count * 1000) });
const url = presign(GET, BY);

function retarget(request: WireRequest, from: string | RegExp, to: string): WireRequest {
  const target = request.target.replace(from, to);
  if (target === request.target) throw new Error(`${from} does not stand in ${target}`);
  return { ...request, target };
}

const BAD = 'AuthorizationQueryParametersError';
const NAMES = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-SignedHeaders',
  'X-Amz-Signature',
];

type Case = readonly [title: string, code: string, request: WireRequest, options?: GateOptions];

const P_CASES: readonly Case[] = [
  ['a presigned URL', 'accepted', url],
  ['P01 an altered signature', 'SignatureDoesNotMatch', retarget(url, /Signature=[0-9a-f]{4}/, 'Signature=zzzz')],
  ['P03 Expires 0', 'AccessDenied', presign(GET, { ...BY, expires: 0 })],
  ['P03 Expires -1', BAD, presign(GET, { ...BY, expires: -1 })],
  ['P03 Expires 604800', 'accepted', presign(GET, { ...BY, expires: 604800 })],
  ['P03 Expires 604801', BAD, presign(GET, { ...BY, expires: 604801 })],
  ['P03 Expires 1e3', BAD, presign(GET, { ...BY, expires: '1e3' })],
  ['P03 Expires with a blank', BAD, presign(GET, { ...BY, expires: '5 ' })],
  ['P03 Expires NaN', BAD, presign(GET, { ...BY, expires: 'NaN' })],
  ['P04 its last second', 'accepted', url, seconds(3599)],
  ['P04 expired', 'AccessDenied', url, seconds(3600)],
  ['P04 expired by 1 s', 'AccessDenied', url, seconds(3601)],
  ['P05 V4a', BAD, retarget(url, 'AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256')],
  ['P06 a parameter more', 'SignatureDoesNotMatch', retarget(url, /$/, '&versionId=1')],
  ['P06 an x-amz parameter more', 'SignatureDoesNotMatch', retarget(url, /$/, '&x-amz-acl=public-read')],
  ['P07 a plus in the signature', 'SignatureDoesNotMatch', retarget(url, /Signature=./, 'Signature=+')],
  ['P07 lower-case escapes in the credential', 'accepted', retarget(url, /%2F/g, '%2f')],
  ['P08 a GET used as HEAD', 'SignatureDoesNotMatch', { ...url, method: 'HEAD' }],
  ['P08 a GET used as PUT', 'SignatureDoesNotMatch', { ...url, method: 'PUT' }],
  ['P08 a GET used as DELETE', 'SignatureDoesNotMatch', { ...url, method: 'DELETE' }],
  ['P09 dated 15 minutes ahead', 'accepted', url, seconds(-900)],
  ['P09 dated further ahead', 'AccessDenied', url, seconds(-901)],
  ['P10 an override added', 'SignatureDoesNotMatch', retarget(url, /$/, '&response-content-type=text/html')],
  ['P12 on another host', 'SignatureDoesNotMatch', { ...url, headers: { host: 'elsewhere:9000' } }],
  [
    'P14 a signed header that is not there',
    'SignatureDoesNotMatch',
    {
      ...presign({ ...GET, headers: { host: HOST, range: 'bytes=0-9' } }, { ...BY, signedHeaders: ['host', 'range'] }),
      headers: { host: HOST },
    },
  ],
  [
    'R16 a signed Range',
    'accepted',
    presign({ ...GET, headers: { host: HOST, range: 'bytes=0-9' } }, { ...BY, signedHeaders: ['host', 'range'] }),
  ],
  [
    'R16 a signed Range, changed',
    'SignatureDoesNotMatch',
    {
      ...presign({ ...GET, headers: { host: HOST, range: 'bytes=0-9' } }, { ...BY, signedHeaders: ['host', 'range'] }),
      headers: { host: HOST, range: 'bytes=0-99' },
    },
  ],
  [
    'R16 a header nobody signed',
    'accepted',
    { ...url, headers: { host: HOST, 'x-score-token': 'secret', range: 'bytes=0-1' } },
  ],
  ['P15 OPTIONS', 'SignatureDoesNotMatch', { ...url, method: 'OPTIONS' }],
  [
    'P18 with multipart parameters added',
    'SignatureDoesNotMatch',
    { ...retarget(presign(PUT, BY), /$/, '&uploadId=u&partNumber=1') },
  ],
  [
    'P18 with multipart parameters signed',
    'accepted',
    presign({ ...EMPTY_PUT, target: '/bucket/key?partNumber=1&uploadId=u' }, BY),
  ],
  ['A08 another service', BAD, retarget(url, '%2Fs3%2F', '%2Fsts%2F')],
  ['A14 another day', BAD, retarget(url, '%2F20261120%2F', '%2F20261121%2F')],
  [
    'A16 host not signed',
    'AccessDenied',
    presign({ ...GET, headers: { host: HOST, range: 'x' } }, { ...BY, signedHeaders: ['range'] }),
  ],
  ['a session token', 'InvalidToken', presign({ ...GET, target: '/bucket/key?X-Amz-Security-Token=t' }, BY)],
  ['an unknown key', 'InvalidAccessKeyId', presign(GET, { ...BY, accessKey: 'AKNOBODY' })],
  [
    'a chunked payload',
    'InvalidRequest',
    presign({ ...PUT, target: '/bucket/key?X-Amz-Content-Sha256=STREAMING-UNSIGNED-PAYLOAD-TRAILER' }, BY),
  ],
  [
    'a header in the query that no header can hold',
    'InvalidArgument',
    presign({ ...PUT, target: '/bucket/key?x-amz-meta-a=b%0D%0Ac' }, BY),
  ],
  [
    'a header in the query twice',
    'InvalidArgument',
    presign({ ...PUT, target: '/bucket/key?x-amz-acl=private&X-Amz-Acl=public-read' }, BY),
  ],
];

for (const [title, code, request, options] of P_CASES) {
  t.test(`${title}: ${code}`, async (t) => {
    t.equal(await verdict(request, options), code);
  });
}

for (const name of NAMES) {
  t.test(`P02 ${name} missing, empty, twice, or in another case`, async (t) => {
    const value = new RegExp(`[?&]${name}=([^&]*)`).exec(url.target)?.[1] ?? '';
    t.equal(await verdict(retarget(url, `${name}=${value}`, 'x=y')), BAD);
    t.equal(await verdict(retarget(url, `${name}=${value}`, `${name}=`)), BAD);
    t.equal(await verdict(retarget(url, /$/, `&${name}=${value}`)), BAD);
    t.equal(await verdict(retarget(url, name, name.toLowerCase())), BAD);
  });
}

t.test('P11 a hash that the URL pins is enforced, in the query and in a header', async (t) => {
  const sha256 = createHash('sha256').update('hello').digest('hex');
  const inQuery = presign({ ...PUT, target: `/bucket/key?X-Amz-Content-Sha256=${sha256}` }, BY);
  const headers = { ...PUT.headers, 'x-amz-content-sha256': sha256 };
  const inHeader = presign({ ...PUT, headers }, { ...BY, signedHeaders: ['host', 'x-amz-content-sha256'] });
  for (const request of [inQuery, inHeader]) {
    const right = await through({ ...request, body: 'hello' });
    t.equal((await bytesOf(right.body)).toString(), 'hello');
    const wrong = await through({ ...request, body: 'hellO' });
    await t.rejects(bytesOf(wrong.body), { code: 'XAmzContentSHA256Mismatch' });
  }
});

t.test('a copy source moved into the query makes the request a copy', async (t) => {
  const request = await through(
    presign(
      {
        ...PUT,
        headers: { host: HOST, 'content-length': '0' },
        target: '/bucket/key?x-amz-copy-source=%2Fbucket%2Fother',
      },
      BY,
    ),
  );
  t.same([request.operation, request.headers.get('x-amz-copy-source')], ['CopyObject', '/bucket/other']);
});

t.test("a checksum in the query is nobody's: dropped, never verified, never handed on", async (t) => {
  const target = '/bucket/key?x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32';
  const request = await through({ ...presign({ ...PUT, target }, BY), body: 'hello' });
  t.equal((await bytesOf(request.body)).toString(), 'hello');
  t.equal(request.query.toString(), '');
  t.same([...request.headers.keys()].sort(), ['content-length', 'host']);
});

const V2 = { ...CALLER, time: NOW };
const v2 = signV2Header(GET, V2);
const expires = NOW.getTime() / 1000 + 60;
const v2Url = presignV2(GET, { ...CALLER, expires });

const V_CASES: readonly Case[] = [
  ['a V2 request', 'accepted', v2],
  [
    'V01 a changed signature',
    'SignatureDoesNotMatch',
    { ...v2, headers: { ...v2.headers, authorization: `${v2.headers.authorization?.slice(0, -3)}AA=` } },
  ],
  ['V01 another method', 'SignatureDoesNotMatch', { ...v2, method: 'DELETE' }],
  ['V03 no date', 'AccessDenied', { ...v2, headers: { host: HOST, authorization: v2.headers.authorization ?? '' } }],
  ['V03 a date that is none', 'AccessDenied', signV2Header({ ...GET, headers: { host: HOST, date: 'yesterday' } }, V2)],
  [
    'V03 a date before 1970',
    'AccessDenied',
    signV2Header({ ...GET, headers: { host: HOST, date: 'Tue, 07 Jul 1950 21:20:26 GMT' } }, V2),
  ],
  ['V03 901 s old', 'RequestTimeTooSkewed', v2, seconds(901)],
  [
    'V04 x-amz-date empties the Date slot',
    'accepted',
    signV2Header({ ...GET, headers: { host: HOST, date: 'whatever', 'x-amz-date': NOW.toUTCString() } }, V2),
  ],
  [
    'V04 x-amz-date is the time that counts',
    'RequestTimeTooSkewed',
    signV2Header(
      { ...GET, headers: { host: HOST, date: NOW.toUTCString(), 'x-amz-date': 'Tue, 27 Mar 2007 19:36:42 +0000' } },
      V2,
    ),
  ],
  ['a V2 URL', 'accepted', v2Url],
  ['V05 expired', 'AccessDenied', v2Url, seconds(60)],
  ['V05 Expires NaN', 'AccessDenied', presignV2(GET, { ...CALLER, expires: 'NaN' })],
  ['V05 Expires changed', 'SignatureDoesNotMatch', retarget(v2Url, String(expires), String(expires + 1))],
  ['V05 Expires missing', 'AccessDenied', retarget(v2Url, /Expires=\d+/, 'x=y')],
  ['V05 Signature twice', 'AccessDenied', retarget(v2Url, /$/, '&Signature=x')],
  [
    'V06 an x-amz- header more',
    'SignatureDoesNotMatch',
    { ...v2, headers: { ...v2.headers, 'x-amz-acl': 'public-read' } },
  ],
  ['V06 an x-amz- parameter more', 'SignatureDoesNotMatch', retarget(v2Url, /$/, '&x-amz-acl=public-read')],
  [
    'V06 x-amz- headers in any order',
    'accepted',
    signV2Header({ ...GET, headers: { 'x-amz-meta-b': '2', host: HOST, 'x-amz-meta-a': '1' } }, V2),
  ],
  ['V07 retention', 'AccessDenied', { ...v2, target: '/bucket/key?retention' }],
  ['V07 attributes', 'AccessDenied', { ...v2, target: '/bucket/key?attributes' }],
  [
    'V07 replication',
    'SignatureDoesNotMatch',
    { ...signV2Header({ ...GET, target: '/bucket' }, V2), target: '/bucket?replication' },
  ],
  ['V07 an unknown sub-resource', 'AccessDenied', { ...v2, target: '/bucket/key?annotation' }],
  ['V07 acl added', 'SignatureDoesNotMatch', { ...v2, target: '/bucket/key?acl' }],
  [
    'V07 list-type, which every V2 client sends and none signs',
    'accepted',
    signV2Header({ ...GET, target: '/bucket?list-type=2&prefix=a' }, V2),
  ],
  [
    'V09 the signature with a blank',
    'InvalidArgument',
    { ...v2, headers: { ...v2.headers, authorization: `${v2.headers.authorization} x` } },
  ],
  [
    'V09 the signature in url-safe base64 or without padding',
    'SignatureDoesNotMatch',
    { ...v2, headers: { ...v2.headers, authorization: (v2.headers.authorization ?? '').replace(/=$/, '') } },
  ],
  ['V12 nonsense', 'InvalidArgument', { ...v2, headers: { ...v2.headers, authorization: 'AWS HAHAHA' } }],
  [
    'V13 a line break in Content-Type',
    'InvalidArgument',
    { ...v2, headers: { ...v2.headers, 'content-type': 'a\nb' } },
  ],
  [
    'V14 aws-chunked',
    'InvalidRequest',
    signV2Header(
      { ...PUT, headers: { ...PUT.headers, 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' } },
      V2,
    ),
  ],
  ['V11 a key nobody has', 'InvalidAccessKeyId', signV2Header(GET, { ...V2, accessKey: 'AKNOBODY' })],
  [
    'V11 a URL whose key is for V4 only',
    'InvalidRequest',
    v2Url,
    { credentials: () => ({ ...CALLER, signatures: ['v4'] }) },
  ],
  [
    'a session token',
    'InvalidToken',
    signV2Header({ ...GET, headers: { host: HOST, 'x-amz-security-token': 't' } }, V2),
  ],
];

for (const [title, code, request, options] of V_CASES) {
  t.test(`${title}: ${code}`, async (t) => {
    t.equal(await verdict(request, options), code);
  });
}

t.test('V02 the body is held against a signed Content-MD5', async (t) => {
  const md5 = createHash('md5').update('hello').digest('base64');
  const request = signV2Header({ ...PUT, headers: { ...PUT.headers, 'content-md5': md5 } }, V2);
  t.equal((await bytesOf((await through({ ...request, body: 'hello' })).body)).toString(), 'hello');
  await t.rejects(bytesOf((await through({ ...request, body: 'hellO' })).body), { code: 'BadDigest' });
  const other = {
    ...request,
    headers: { ...request.headers, 'content-md5': createHash('md5').update('hellO').digest('base64') },
  };
  t.equal(await verdict(other), 'SignatureDoesNotMatch');
});

t.test('V08 virtual-hosted and path style sign the same resource, and never another bucket', async (t) => {
  const domains = ['s3.example'];
  const sign = (resource: string) => v2Signature(CALLER.secretKey, `GET\n\n\n${NOW.toUTCString()}\n${resource}`);
  const ask = (host: string, target: string, resource: string) =>
    verdict(
      {
        method: 'GET',
        target,
        headers: { host, date: NOW.toUTCString(), authorization: `AWS ${CALLER.accessKey}:${sign(resource)}` },
      },
      { domains },
    );
  t.equal(await ask('bucket.s3.example', '/key', '/bucket/key'), 'accepted');
  t.equal(await ask('s3.example', '/bucket/key', '/bucket/key'), 'accepted');
  t.equal(await ask('other.s3.example', '/key', '/bucket/key'), 'SignatureDoesNotMatch');
  t.equal(await ask('other.s3.example', '/bucket/key', '/bucket/key'), 'SignatureDoesNotMatch');
  for (const resource of ['/bucket/', '/bucket']) {
    t.equal(await ask('bucket.s3.example', '/', resource), 'accepted', resource);
    t.equal(await ask('s3.example', '/bucket', resource), 'accepted', resource);
    t.equal(await ask('s3.example', '/bucket/', resource), 'accepted', resource);
  }
  t.equal(await ask('s3.example', '/bucket/key/', '/bucket/key'), 'SignatureDoesNotMatch', 'a key keeps its slash');
  t.equal(await ask('s3.example', '/', '/'), 'accepted');
});

t.test('V2 sub-resources are signed decoded, in the order of their names', async (t) => {
  const target = '/bucket/key?uploadId=a%2Bb%3D&partNumber=2&response-content-type=x%2Fy&marker=z';
  const text = v2StringToSign({ ...GET, target }, 'D');
  t.match(text, '/bucket/key?partNumber=2&response-content-type=x/y&uploadId=a+b=');
  t.equal(
    await verdict(signV2Header({ ...EMPTY_PUT, target: target.replace('&response-content-type=x%2Fy', '') }, V2)),
    'accepted',
  );
});

t.test('V2 of a botocore that signs the query of the operation as a part of the path', async (t) => {
  const date = NOW.toUTCString();
  const ask = (target: string, resource: string, method = 'GET') => {
    const signature = v2Signature(CALLER.secretKey, `${method}\n\n\n${date}\n${resource}`);
    const headers = { host: HOST, date, authorization: `AWS ${CALLER.accessKey}:${signature}`, 'content-length': '0' };
    return verdict({ method, target, headers });
  };
  t.equal(await ask('/bucket?location', '/bucket?location?location'), 'accepted');
  t.equal(await ask('/bucket?list-type=2&prefix=a', '/bucket?list-type=2'), 'accepted');
  t.equal(await ask('/bucket/key?uploads', '/bucket/key?uploads?uploads', 'POST'), 'accepted');
  t.equal(await ask('/bucket?versions', '/bucket?location?location'), 'SignatureDoesNotMatch');
  t.equal(await ask('/bucket/key?retention', '/bucket/key?retention', 'PUT'), 'AccessDenied', 'V07 all the same');
  t.equal(await ask('/bucket?prefix=secret', '/bucket?prefix=secret'), 'SignatureDoesNotMatch');
});

t.test('V2 URLs whose presigner moved headers into the query (botocore)', async (t) => {
  const headers = { host: HOST, 'content-length': '0', 'content-type': 'text/x', 'x-amz-meta-a': 'b' };
  const signature = v2Signature(CALLER.secretKey, v2StringToSign({ ...PUT, headers }, String(expires)));
  const target = `/bucket/key?AWSAccessKeyId=${CALLER.accessKey}&Signature=${encodeURIComponent(signature)}&Expires=${expires}&content-type=text%2Fx&x-amz-meta-a=b`;
  const request = await through({
    method: 'PUT',
    target,
    headers: { host: HOST, 'content-length': '0', 'content-type': 'text/x' },
  });
  t.same([request.headers.get('content-type'), request.headers.get('x-amz-meta-a')], ['text/x', 'b']);
  t.equal(request.query.toString(), '');
});

t.test('a signature of one place is none in the other', async (t) => {
  const header = signHeader(GET, BY);
  const signature = /Signature=(.*)/.exec(header.headers.authorization ?? '')?.[1] ?? '';
  t.equal(await verdict(retarget(url, /Signature=.*/, `Signature=${signature}`)), 'SignatureDoesNotMatch');
});
