import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { S3Error } from '../../../src/s3/error.ts';
import { OPERATIONS } from '../../../src/s3/operation.ts';
import { CALLER, type GateOptions, HOST, NOW, through, V4_ONLY, verdict } from '../../support/auth-gate.ts';
import { bytesOf } from '../../support/request.ts';
import { amzDate, presign, signHeader, signV2Header, type WireRequest } from '../../support/slow-verifier.ts';

const BY = { ...CALLER, time: NOW };
const GET: WireRequest = { method: 'GET', target: '/bucket/key', headers: { host: HOST } };
const PUT: WireRequest = { method: 'PUT', target: '/bucket/key', headers: { host: HOST, 'content-length': '0' } };

/** A signed request with its headers changed afterwards. */
function changed(request: WireRequest, headers: Record<string, string | undefined>): WireRequest {
  const all = Object.entries({ ...request.headers, ...headers }).filter(([, value]) => value !== undefined);
  return { ...request, headers: Object.fromEntries(all) as Record<string, string> }; // Undefined ones were filtered out.
}

function authorization(request: WireRequest, edit: (text: string) => string): WireRequest {
  return changed(request, { authorization: edit(request.headers.authorization ?? '') });
}

const signed = signHeader(GET, BY);
const seconds = (count: number): Date => new Date(NOW.getTime() + count * 1000);

type Case = readonly [title: string, code: string, request: WireRequest, options?: GateOptions];

const CASES: readonly Case[] = [
  ['a signed request', 'accepted', signed],
  [
    'A04 an unknown key, signed with an empty secret',
    'InvalidAccessKeyId',
    signHeader(GET, { ...BY, accessKey: 'AKNOBODY', secretKey: '' }),
  ],
  ['A04 a known key, signed with an empty secret', 'SignatureDoesNotMatch', signHeader(GET, { ...BY, secretKey: '' })],
  ['A05 an empty access key', 'AuthorizationHeaderMalformed', signHeader(GET, { ...BY, accessKey: '' })],
  [
    'A05 an access key with a slash that nobody has',
    'InvalidAccessKeyId',
    signHeader(GET, { ...BY, accessKey: `${CALLER.accessKey}/x` }),
  ],
  [
    'A08 another service',
    'AuthorizationHeaderMalformed',
    authorization(signed, (text) => text.replace('/s3/', '/s3tables/')),
  ],
  [
    'A08 the service in capitals',
    'AuthorizationHeaderMalformed',
    authorization(signed, (text) => text.replace('/s3/', '/S3/')),
  ],
  ['A08 no service', 'AuthorizationHeaderMalformed', authorization(signed, (text) => text.replace('/s3/', '//'))],
  [
    'A08 another terminal',
    'AuthorizationHeaderMalformed',
    authorization(signed, (text) => text.replace('aws4_request', 'aws4_requests')),
  ],
  ['A10 no date', 'AccessDenied', changed(signed, { 'x-amz-date': undefined })],
  [
    'A10 a date that is none',
    'AccessDenied',
    signHeader({ ...GET, headers: { host: HOST, 'x-amz-date': '20261131T120000Z' } }, BY),
  ],
  ['A10 900 s old', 'accepted', signed, { time: seconds(900) }],
  ['A10 901 s old', 'RequestTimeTooSkewed', signed, { time: seconds(901) }],
  ['A10 900 s early', 'accepted', signed, { time: seconds(-900) }],
  ['A10 901 s early', 'RequestTimeTooSkewed', signed, { time: seconds(-901) }],
  [
    'A12 a signature in capitals',
    'SignatureDoesNotMatch',
    authorization(signed, (text) => text.replace(/[0-9a-f]{64}$/, (hex) => hex.toUpperCase())),
  ],
  ['A12 a short signature', 'SignatureDoesNotMatch', authorization(signed, (text) => text.slice(0, -1))],
  ['A12 a long signature', 'SignatureDoesNotMatch', authorization(signed, (text) => `${text}0`)],
  [
    'A12 a signature that is not hex',
    'SignatureDoesNotMatch',
    authorization(signed, (text) => `${text.slice(0, -1)}g`),
  ],
  [
    'A12 no signature',
    'AuthorizationHeaderMalformed',
    authorization(signed, (text) => text.replace(/[0-9a-f]{64}$/, '')),
  ],
  [
    'A13 two Authorization headers, joined',
    'AuthorizationHeaderMalformed',
    authorization(signed, (text) => `${text}, ${text}`),
  ],
  ['A13 two x-amz-date, joined', 'AccessDenied', changed(signed, { 'x-amz-date': `${amzDate(NOW)}, ${amzDate(NOW)}` })],
  ['A13 a Date that disagrees does not count', 'accepted', changed(signed, { date: 'Fri, 24 May 2013 00:00:00 GMT' })],
  [
    'A14 a scope of another day',
    'AuthorizationHeaderMalformed',
    authorization(signed, (text) => text.replace('/20261120/', '/20261119/')),
  ],
  [
    'A14 a scope day that is none',
    'AuthorizationHeaderMalformed',
    authorization(signed, (text) => text.replace('/20261120/', '/2026112/')),
  ],
  ['A15 any region', 'accepted', signHeader(GET, { ...BY, region: 'ap-shanghai' })],
  ['A15 no region', 'AuthorizationHeaderMalformed', authorization(signed, (text) => text.replace('us-east-1', ''))],
  [
    'A16 host not signed',
    'AccessDenied',
    signHeader(GET, { ...BY, signedHeaders: ['x-amz-content-sha256', 'x-amz-date'] }),
  ],
  [
    'A16 names unsorted',
    'AuthorizationHeaderMalformed',
    signHeader(GET, { ...BY, signedHeaders: ['x-amz-date', 'host', 'x-amz-content-sha256'] }),
  ],
  [
    'A16 a name twice',
    'AuthorizationHeaderMalformed',
    signHeader(GET, { ...BY, signedHeaders: ['host', 'host', 'x-amz-content-sha256', 'x-amz-date'] }),
  ],
  [
    'A16 a name in capitals',
    'AuthorizationHeaderMalformed',
    signHeader(GET, { ...BY, signedHeaders: ['Host', 'host', 'x-amz-content-sha256', 'x-amz-date'] }),
  ],
  ['A16 no names', 'AuthorizationHeaderMalformed', signHeader(GET, { ...BY, signedHeaders: [] })],
  [
    'A16 a thousand names',
    'AuthorizationHeaderMalformed',
    signHeader(GET, { ...BY, signedHeaders: Array.from({ length: 1000 }, (_, n) => `a${String(n).padStart(4, '0')}`) }),
  ],
  [
    'A17 a signed header that is missing',
    'SignatureDoesNotMatch',
    changed(
      signHeader(
        { ...GET, headers: { host: HOST, range: 'bytes=0-1' } },
        { ...BY, signedHeaders: ['host', 'range', 'x-amz-content-sha256', 'x-amz-date'] },
      ),
      { range: undefined },
    ),
  ],
  ['A18 header and query together', 'InvalidArgument', changed(presign(GET, BY), signed.headers)],
  [
    'A19 V2 in the header beside V4 in the query',
    'InvalidArgument',
    changed(presign(GET, BY), { authorization: `AWS ${CALLER.accessKey}:x` }),
  ],
  [
    'A19 V2 and V4 in the query',
    'InvalidArgument',
    { ...GET, target: `${presign(GET, BY).target}&AWSAccessKeyId=x&Signature=y` },
  ],
  ['A20 a presigned URL beside a Bearer token', 'accepted', changed(presign(GET, BY), { authorization: 'Bearer abc' })],
  ['A20 a Bearer token alone', 'InvalidArgument', changed(GET, { authorization: 'Bearer abc' })],
  ['A26 another method', 'SignatureDoesNotMatch', { ...signed, method: 'HEAD' }],
  ['A26 a read turned into a delete', 'SignatureDoesNotMatch', { ...signed, method: 'DELETE' }],
  ['A27 another key', 'SignatureDoesNotMatch', { ...signed, target: '/bucket/kez' }],
  ['A27 a parameter more', 'SignatureDoesNotMatch', { ...signed, target: '/bucket/key?acl' }],
  ['A30 nobody', 'AccessDenied', GET],
  ['SigV4a', 'NotImplemented', authorization(signed, (text) => text.replace('HMAC-SHA256', 'ECDSA-P256-SHA256'))],
  ['no x-amz-content-sha256', 'InvalidRequest', changed(signed, { 'x-amz-content-sha256': undefined })],
  [
    'an x-amz-content-sha256 that is neither hash nor word',
    'InvalidArgument',
    signHeader({ ...GET, headers: { host: HOST, 'x-amz-content-sha256': 'unsigned-payload' } }, BY),
  ],
  [
    'the chunks of SigV4a',
    'NotImplemented',
    signHeader(
      { ...PUT, headers: { host: HOST, 'x-amz-content-sha256': 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD' } },
      BY,
    ),
  ],
  [
    'a session token on a static key',
    'InvalidToken',
    signHeader({ ...GET, headers: { host: HOST, 'x-amz-security-token': 't' } }, BY),
  ],
  ['V2 where only V4 is listed', 'InvalidRequest', signV2Header(GET, { ...V4_ONLY, time: NOW })],
  ['V4 where only V2 is listed', 'InvalidRequest', signed, { credentials: () => ({ ...CALLER, signatures: ['v2'] }) }],
  [
    "an empty secret in the configuration is nobody's",
    'InvalidAccessKeyId',
    signHeader(GET, { ...BY, secretKey: '' }),
    { credentials: () => ({ ...CALLER, secretKey: '' }) },
  ],
  ['a line break in a header', 'InvalidArgument', changed(signed, { 'user-agent': 'a\nb' })],
  ['a PUT without any length', 'MissingContentLength', signHeader({ ...PUT, headers: { host: HOST } }, BY)],
  [
    'a PUT of 5 GiB and a byte',
    'EntityTooLarge',
    signHeader(
      { ...PUT, headers: { host: HOST, 'content-length': '5368709121', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
      BY,
    ),
  ],
  [
    'a Content-MD5 that is none',
    'InvalidDigest',
    signHeader({ ...PUT, headers: { ...PUT.headers, 'content-md5': 'AAAA' } }, BY),
  ],
  [
    'a Content-MD5 of something else',
    'BadDigest',
    signHeader({ ...PUT, headers: { ...PUT.headers, 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' } }, BY),
  ],
  [
    'a hash of something else, without a body',
    'XAmzContentSHA256Mismatch',
    signHeader({ ...PUT, headers: { ...PUT.headers, 'x-amz-content-sha256': '0'.repeat(64) } }, BY),
  ],
  [
    'DeleteObjects without any digest',
    'InvalidRequest',
    signHeader({ method: 'POST', target: '/bucket?delete', headers: { host: HOST } }, BY),
  ],
  [
    'C21 chunked transfer without a decoded length',
    'MissingContentLength',
    signHeader(
      { ...PUT, headers: { host: HOST, 'transfer-encoding': 'chunked', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
      BY,
    ),
  ],
  [
    'C22 two checksums',
    'InvalidRequest',
    signHeader(
      { ...PUT, headers: { ...PUT.headers, 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-crc32c': 'AAAAAA==' } },
      BY,
    ),
  ],
  [
    'C23 an algorithm other than that of the checksum',
    'InvalidRequest',
    signHeader(
      {
        ...PUT,
        headers: { ...PUT.headers, 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-sdk-checksum-algorithm': 'SHA256' },
      },
      BY,
    ),
  ],
  [
    'a checksum that is none',
    'InvalidRequest',
    signHeader({ ...PUT, headers: { ...PUT.headers, 'x-amz-checksum-crc32': 'AAAA' } }, BY),
  ],
  [
    'a checksum of an algorithm nobody knows',
    'InvalidRequest',
    signHeader({ ...PUT, headers: { ...PUT.headers, 'x-amz-checksum-md4': 'AAAA' } }, BY),
  ],
  [
    'a right checksum of nothing',
    'accepted',
    signHeader(
      {
        ...PUT,
        headers: { ...PUT.headers, 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-sdk-checksum-algorithm': 'crc32' },
      },
      BY,
    ),
  ],
  [
    'a wrong checksum of nothing',
    'BadDigest',
    signHeader({ ...PUT, headers: { ...PUT.headers, 'x-amz-checksum-crc32': 'AAAAAQ==' } }, BY),
  ],
  [
    'the checksum of the object on CompleteMultipartUpload is not that of the XML',
    'accepted',
    signHeader(
      { method: 'POST', target: '/bucket/key?uploadId=u', headers: { host: HOST, 'x-amz-checksum-crc32': 'AAAAAQ==' } },
      BY,
    ),
  ],
];

for (const [title, code, request, options] of CASES) {
  t.test(`${title}: ${code}`, async (t) => {
    t.equal(await verdict(request, options), code);
  });
}

/** What unsigned data must never bring about. */
const UNSIGNED: readonly (readonly [id: string, name: string, value: string])[] = [
  ['U01', 'x-amz-copy-source', '/other/secret'],
  ['U01', 'x-amz-copy-source-range', 'bytes=0-9'],
  ['U02', 'x-amz-acl', 'public-read'],
  ['U02', 'x-amz-grant-read', 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'],
  ['U03', 'x-amz-tagging', 'a=b'],
  ['U04', 'x-amz-meta-a', 'b'],
  ['U05', 'x-amz-storage-class', 'GLACIER'],
  ['U05', 'x-amz-website-redirect-location', 'https://evil.example/'],
  ['U05', 'x-amz-object-lock-mode', 'COMPLIANCE'],
  ['U05', 'x-amz-server-side-encryption-customer-key', 'AAAA'],
  ['U07', 'x-amz-decoded-content-length', '0'],
  ['U07', 'x-amz-trailer', 'x-amz-checksum-crc32'],
  ['U07', 'x-amz-sdk-checksum-algorithm', 'CRC32'],
  ['U08', 'x-amz-expected-bucket-owner', '1'],
  ['U08', 'x-amz-request-payer', 'requester'],
  ['U08', 'x-amz-mfa', '1'],
];

for (const [id, name, value] of UNSIGNED) {
  t.test(`${id} ${name} that nobody signed is refused, and named`, async (t) => {
    for (const request of [signHeader(PUT, BY), presign(PUT, BY)]) {
      await t.rejects(through(changed(request, { [name]: value })), {
        code: 'AccessDenied',
        detail: { HeadersNotSigned: name },
      });
    }
    t.equal(
      await verdict(
        signHeader(
          { ...PUT, headers: { ...PUT.headers, [name]: value } },
          { ...BY, signedHeaders: ['host', 'x-amz-content-sha256', 'x-amz-date'] },
        ),
      ),
      'AccessDenied',
    );
  });
}

t.test('U06 a payload word that nobody signed is refused unless it says what was signed', async (t) => {
  const url = presign(PUT, BY);
  t.equal(await verdict(changed(url, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' })), 'accepted');
  for (const word of ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'a'.repeat(64)]) {
    t.equal(await verdict(changed(url, { 'x-amz-content-sha256': word })), 'AccessDenied');
  }
  const header = signHeader(PUT, { ...BY, signedHeaders: ['host', 'x-amz-date'] });
  t.equal(await verdict(header), 'accepted', 'in the header it is the payload line itself');
  t.equal(await verdict(changed(header, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' })), 'SignatureDoesNotMatch');
});

t.test('U09 a signed name in other spelling covers nothing', async (t) => {
  for (const name of ['X-Amz-Acl', 'x-amz-acl ', ' x-amz-acl']) {
    const names = ['host', name, 'x-amz-content-sha256', 'x-amz-date'].sort();
    const request = signHeader(
      { ...PUT, headers: { ...PUT.headers, 'x-amz-acl': 'public-read' } },
      { ...BY, signedHeaders: names },
    );
    t.equal(await verdict(request), 'AuthorizationHeaderMalformed', JSON.stringify(name));
  }
});

t.test('U11 Content-Type may stay unsigned, as AWS allows', async (t) => {
  t.equal(await verdict(changed(presign(PUT, BY), { 'content-type': 'text/html' })), 'accepted');
});

t.test('U12 a method override changes nothing', async (t) => {
  const request = await through(changed(signed, { 'x-http-method-override': 'DELETE' }));
  t.same([request.method, request.operation], ['GET', 'GetObject']);
  t.equal(
    await verdict(changed(GET, { 'x-amzn-trace-id': 'Root=1' })),
    'AccessDenied',
    'and a trace id is no signature',
  );
  t.equal(await verdict(changed(signed, { 'x-amzn-trace-id': 'Root=1' })), 'accepted', 'nor an x-amz- header');
});

t.test('A01 A02 every operation with every payload mode and a wrong signature: none accepted', async (t) => {
  const modes = [
    createHash('sha256').digest('hex'),
    'UNSIGNED-PAYLOAD',
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  ];
  for (const [name, row] of Object.entries(OPERATIONS)) {
    const path = { service: '/', bucket: '/bucket', object: '/bucket/key' }[row.resource];
    const query = ('query' in row ? row.query : []).map((parameter) => `${parameter}=1`).join('&');
    const target = query === '' ? path : `${path}?${query}`;
    const headers = { host: HOST, 'content-length': '0', ...('header' in row && { [row.header]: '/bucket/source' }) };
    for (const mode of modes) {
      const request = { method: row.method, target, headers: { ...headers, 'x-amz-content-sha256': mode } };
      const header = signHeader(request, { ...BY, secretKey: 'wrong' });
      const url = presign(request, {
        ...BY,
        secretKey: 'wrong',
        signedHeaders: Object.keys(request.headers)
          .filter((key) => key !== 'content-length')
          .sort(),
      });
      const v2 = signV2Header(request, { ...BY, secretKey: 'wrong' });
      const wrong = name === 'PostObject' ? ['InvalidArgument'] : ['SignatureDoesNotMatch', 'InvalidRequest'];
      for (const bad of [header, url, v2])
        t.ok(wrong.includes(await verdict(bad, { allowAnonymous: () => true })), `${name} ${mode}`);
      const none = name === 'PostObject' ? 'PreconditionFailed' : 'AccessDenied';
      t.equal(await verdict(changed(header, { authorization: undefined })), none, `${name} without any`);
    }
  }
});

t.test('A03 a credential in the query alone is no signature', async (t) => {
  const target = `/bucket/key?X-Amz-Credential=${CALLER.accessKey}%2F20261120%2Fus-east-1%2Fs3%2Faws4_request`;
  const headers = {
    host: HOST,
    'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'x-amz-decoded-content-length': '0',
  };
  t.equal(
    await verdict({ method: 'PUT', target, headers }, { allowAnonymous: () => true }),
    'AuthorizationQueryParametersError',
  );
});

t.test('A06 A07 anonymous requests pass only as far as they are let', async (t) => {
  t.equal(await verdict(GET), 'AccessDenied');
  const open = { allowAnonymous: () => true };
  const request = await through(changed(GET, { 'x-amz-checksum-mode': 'ENABLED' }), open);
  t.equal(request.identity, undefined);
  t.equal(await verdict(PUT, open), 'AccessDenied', 'writing');
  t.equal(
    await verdict(changed(GET, { 'x-amz-copy-source': '/a/b' }), open),
    'AccessDenied',
    'with a header that changes the meaning',
  );
  t.equal(
    await verdict({ ...GET, target: '/bucket/key?response-content-type=text/html' }, open),
    'InvalidRequest',
    'E11',
  );
});

t.test('A11 signatures are compared in constant time: no other comparison stands in the code', async (t) => {
  t.type(timingSafeEqual, 'function');
  for (const file of [
    'sigv4.ts',
    'sigv2.ts',
    'chunk-signature.ts',
    'verify-v4.ts',
    'verify-v2.ts',
    'post-signature.ts',
  ]) {
    const text = readFileSync(new URL(`../../../src/auth/${file}`, import.meta.url), 'utf8');
    t.notMatch(text, /[sS]ignature\w* (?:===|!==|==|!=) (?!undefined)/, file);
  }
});

t.test('A14 the scope follows the request over midnight, UTC', async (t) => {
  const late = new Date('2026-11-19T23:59:59Z');
  const request = signHeader(GET, { ...BY, time: late });
  t.equal(await verdict(request, { time: new Date('2026-11-20T00:00:01Z') }), 'accepted');
});

t.test('A24 A25 hosts: those configured, for the same bucket and key only', async (t) => {
  const domains = ['s3.office.example', 'localhost:9000'];
  const ask = (signedHost: string, received: string, target = '/bucket/key') => {
    const request = signHeader({ method: 'GET', target, headers: { host: signedHost } }, BY);
    return verdict(changed(request, { host: received }), { domains });
  };
  t.equal(await ask('s3.office.example', '10.0.0.1:9000'), 'accepted');
  t.equal(await ask('s3.office.example:9000', '10.0.0.1:9000'), 'accepted');
  t.equal(await ask('localhost:9000', '10.0.0.1'), 'accepted');
  t.equal(await ask('localhost', '10.0.0.1'), 'accepted');
  t.equal(await ask('10.0.0.1', '10.0.0.1:443'), 'accepted', 'a default port that a proxy added');
  t.equal(await ask('10.0.0.1:9000', '10.0.0.1'), 'SignatureDoesNotMatch');
  t.equal(await ask('evil-s3.office.example', '10.0.0.1:9000'), 'SignatureDoesNotMatch');
  t.equal(await ask('s3.office.example.evil', '10.0.0.1:9000'), 'SignatureDoesNotMatch');
  t.equal(
    await ask('buck.localhost:9000', 'buck.s3.office.example:9000', '/key'),
    'accepted',
    'the same bucket on another domain',
  );
  t.equal(await ask('s3.office.example', 'other.s3.office.example'), 'SignatureDoesNotMatch', 'not for another bucket');
  t.equal(await ask('buck.s3.office.example', 'cask.s3.office.example', '/key'), 'SignatureDoesNotMatch');
  t.equal(await ask('buck.s3.office.example', '10.0.0.1:9000', '/buck/key'), 'SignatureDoesNotMatch');
});

t.test('A28 a changed secret counts from the next request on', async (t) => {
  let secretKey = 'first';
  const credentials = () => ({ ...CALLER, secretKey });
  const { authenticate } = await import('../../../src/auth/authenticate.ts');
  const { requestOf } = await import('../../support/request.ts');
  const layer = authenticate({ credentials, domains: [], now: () => NOW, allowAnonymous: () => false });
  const handler = layer(async () => ({ status: 200, headers: new Map(), body: null }));
  const send = (key: string) => handler(requestOf(signHeader(GET, { ...BY, secretKey: key })));
  await send('first');
  secretKey = 'second';
  await t.rejects(send('first'), { code: 'SignatureDoesNotMatch' });
  await send('second');
});

t.test('L01 a refusal tells what was hashed, never what was expected', async (t) => {
  const wrong = signHeader(GET, { ...BY, secretKey: 'wrong' });
  const right = /Signature=(.*)/.exec(signed.headers.authorization ?? '')?.[1] ?? '';
  const error: unknown = await through(wrong).catch((thrown: unknown) => thrown);
  if (!(error instanceof S3Error)) throw error;
  t.match(error.detail.CanonicalRequest, 'GET\n/bucket/key\n');
  t.notMatch(JSON.stringify(error.detail), right);
  t.notMatch(JSON.stringify(error.detail), CALLER.secretKey);
});

t.test('what goes on has no trace of the signature or the upload framing', async (t) => {
  const body = Buffer.from('hello');
  const sha256 = createHash('sha256').update(body).digest('hex');
  const headers = {
    host: HOST,
    'content-length': '5',
    expect: '100-continue',
    'x-amz-content-sha256': sha256,
    'x-amz-meta-a': '  two   blanks ',
  };
  const request = await through({ ...signHeader({ ...PUT, headers }, BY), body });
  t.equal((await bytesOf(request.body)).toString(), 'hello');
  t.same([...request.headers.keys()].sort(), ['content-length', 'host', 'x-amz-content-sha256', 'x-amz-meta-a']);
  t.equal(request.headers.get('x-amz-meta-a'), '  two   blanks ', 'values stay as they were');
  t.equal(request.notes.get('credential'), CALLER.name);
  const unsigned = await through(
    signHeader({ ...PUT, headers: { ...PUT.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }, BY),
  );
  t.notOk(unsigned.headers.has('x-amz-content-sha256'));
});

t.test('paths are signed as they are: nothing resolved, nothing decoded twice', async (t) => {
  const targets = [
    '/bucket/a//b',
    '/bucket/a/',
    '/bucket/a%2Fb',
    '/bucket/a%2fb',
    '/bucket/a/../b',
    '/bucket/%252e',
    '/bucket/a+b',
    '/bucket/a%20b',
    '/bucket/(x)',
    '/bucket/%c3%a9',
  ];
  for (const target of targets) {
    const request = signHeader({ ...GET, target }, BY);
    t.equal(await verdict(request), 'accepted', target);
    for (const other of targets) {
      const isSame =
        decodeURIComponent(other) === decodeURIComponent(target) && /%2f/i.test(other) === /%2f/i.test(target);
      if (!isSame)
        t.equal(await verdict({ ...request, target: other }), 'SignatureDoesNotMatch', `${target} as ${other}`);
    }
  }
});

t.test('D10 no header takes long: runs of blanks and separators cost their length, not its square', async (t) => {
  const run = ' '.repeat(30_000);
  const odd = [
    changed(signed, { authorization: `${signed.headers.authorization}${run}x` }),
    changed(signed, { authorization: `AWS ${run}:${run}x` }),
    changed(signHeader(GET, BY), { 'x-amz-meta-a': `x${run}y` }),
    signHeader({ ...GET, headers: { host: HOST, 'x-amz-meta-a': `x${run}y\t${run}z` } }, BY),
    signV2Header({ ...GET, headers: { host: HOST, 'x-amz-meta-a': `x${run}y` } }, BY),
    changed(signed, { 'x-amz-date': `${run}x` }),
    {
      method: 'POST',
      target: '/bucket',
      headers: { host: HOST, 'content-type': `multipart/form-data;${'; '.repeat(15_000)}` },
    },
  ];
  for (const request of odd) {
    const start = process.cpuUsage();
    await verdict(request);
    const { user } = process.cpuUsage(start);
    t.ok(user < 200_000, `${user} us`);
  }
});
