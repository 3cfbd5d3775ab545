import t from 'tap';
import { CALLER, V4_ONLY } from '../support/auth-gate.ts';
import { rawRequest, startAuthServer } from '../support/auth-server.ts';
import { exchange } from '../support/raw-socket.ts';
import { presign, presignV2, signHeader, signV2Header, type WireRequest } from '../support/slow-verifier.ts';

const server = await startAuthServer(t);
const now = new Date();
const BY = { ...CALLER, time: now };
const GET: WireRequest = { method: 'GET', target: '/bucket/key', headers: { host: server.host } };
const PUT: WireRequest = {
  method: 'PUT',
  target: '/bucket/key',
  headers: { host: server.host, 'content-length': '0' },
};
const ago = (seconds: number) => ({ ...BY, time: new Date(now.getTime() - seconds * 1000) });
const expires = Math.floor(now.getTime() / 1000) + 600;

/** More header lines at the end of the head. */
function withLines(request: WireRequest, ...lines: readonly string[]): Buffer {
  const text = rawRequest(request).toString('latin1');
  return Buffer.from(text.replace(/\r\n\r\n$/, `\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`), 'latin1');
}

/** A request with its bytes edited. */
function edited(request: WireRequest, from: string | RegExp, to: string): Buffer {
  const text = rawRequest(request).toString('latin1');
  const changed = text.replace(from, () => to);
  if (changed === text) throw new Error(`${from} does not stand in ${text}`);
  return Buffer.from(changed, 'latin1');
}

const signed = signHeader(GET, BY);
const url = presign(GET, BY);
const v2 = signV2Header(GET, BY);

const ACCEPTED: readonly (readonly [title: string, bytes: Buffer])[] = [
  ['a V4 header', rawRequest(signed)],
  ['a V4 URL', rawRequest(url)],
  ['a V2 header', rawRequest(v2)],
  ['a V2 URL', rawRequest(presignV2(GET, { ...CALLER, expires }))],
  ['A10 899 s old', rawRequest(signHeader(GET, ago(895)))],
  ['A20 Bearer beside a URL', withLines(url, 'Authorization: Bearer x')],
  ['header names in capitals', edited(signed, 'x-amz-date', 'X-AMZ-DATE')],
  ['blanks around values', edited(signed, 'x-amz-date: ', 'x-amz-date: \t  ')],
  [
    'R30 signed User-Agent, Content-Type on GET and SDK headers',
    rawRequest(
      signHeader(
        {
          ...GET,
          headers: {
            ...GET.headers,
            'user-agent': 'a  b',
            'content-type': 'application/octet-stream',
            'amz-sdk-request': 'attempt=1',
          },
        },
        {
          ...BY,
          signedHeaders: [
            'amz-sdk-request',
            'content-type',
            'host',
            'user-agent',
            'x-amz-content-sha256',
            'x-amz-date',
          ],
        },
      ),
    ),
  ],
  ...[
    ['V4', signHeader({ ...PUT, headers: { ...PUT.headers, 'x-amz-meta-a': 'one,two' } }, BY)] as const,
    ['V2', signV2Header({ ...PUT, headers: { ...PUT.headers, 'x-amz-meta-a': 'one,two' } }, BY)] as const,
  ].map(
    ([version, request]) =>
      [
        `V06 a header given twice, signed by ${version} as one`,
        edited(request, 'x-amz-meta-a: one,two', 'x-amz-meta-a: one\r\nX-Amz-Meta-A:  two '),
      ] as const,
  ),
  [
    'metadata in raw bytes',
    rawRequest(signHeader({ ...PUT, headers: { ...PUT.headers, 'x-amz-meta-a': 'Zo\u00c3\u00ab \u00ff' } }, BY)),
  ],
];

for (const [title, bytes] of ACCEPTED) {
  t.test(`${title} is accepted`, async (t) => {
    const before = server.calls();
    const answer = await exchange(server.port, bytes);
    t.equal(answer.status, 200, answer.text);
    t.equal(server.calls(), before + 1);
  });
}

const UNSIGNED = [
  ['U01', 'x-amz-copy-source: /other/secret'],
  ['U02', 'x-amz-acl: public-read'],
  ['U02', 'x-amz-grant-full-control: id=1'],
  ['U03', 'x-amz-tagging: a=b'],
  ['U04', 'x-amz-meta-a: b'],
  ['U05', 'x-amz-storage-class: GLACIER'],
  ['U05', 'x-amz-website-redirect-location: /x'],
  ['U05', 'x-amz-server-side-encryption: AES256'],
  ['U07', 'x-amz-decoded-content-length: 0'],
  ['U07', 'x-amz-trailer: x-amz-checksum-crc32'],
  ['U07', 'x-amz-sdk-checksum-algorithm: CRC32'],
  ['U08', 'x-amz-expected-bucket-owner: 1'],
  ['U08', 'x-amz-mfa: 1'],
  ['U09', 'X-AMZ-ACL: public-read'],
] as const;

const REFUSED: readonly (readonly [title: string, status: number, code: string, bytes: Buffer])[] = [
  ['A01 a random signature', 403, 'SignatureDoesNotMatch', edited(signed, /Signature=\w{8}/, 'Signature=00000000')],
  [
    'A04 an unknown key and an empty secret',
    403,
    'InvalidAccessKeyId',
    rawRequest(signHeader(GET, { ...BY, accessKey: 'AKNOBODY', secretKey: '' })),
  ],
  [
    'A05 an empty key and an empty secret',
    400,
    'AuthorizationHeaderMalformed',
    rawRequest(signHeader(GET, { ...BY, accessKey: '', secretKey: '' })),
  ],
  ['A08 service s3tables', 400, 'AuthorizationHeaderMalformed', edited(signed, '/s3/', '/s3tables/')],
  ['A10 no date', 403, 'AccessDenied', edited(signed, /x-amz-date: .*\r\n/, '')],
  ['A10 stale', 403, 'RequestTimeTooSkewed', rawRequest(signHeader(GET, ago(905)))],
  ['A10 ahead', 403, 'RequestTimeTooSkewed', rawRequest(signHeader(GET, ago(-905)))],
  ['A12 capitals', 403, 'SignatureDoesNotMatch', edited(signed, /Signature=\w+/, `Signature=${'A'.repeat(64)}`)],
  ['A12 short', 403, 'SignatureDoesNotMatch', edited(signed, /Signature=\w/, 'Signature=')],
  [
    'A13 Authorization twice',
    400,
    'InvalidArgument',
    withLines(signed, `Authorization: ${signed.headers.authorization}`),
  ],
  ['A13 x-amz-date twice', 400, 'InvalidArgument', withLines(signed, `x-amz-date: ${signed.headers['x-amz-date']}`)],
  ['A14 the scope of another day', 400, 'AuthorizationHeaderMalformed', edited(signed, /\/\d{8}\//, '/20130524/')],
  [
    'A16 host not signed',
    403,
    'AccessDenied',
    rawRequest(signHeader(GET, { ...BY, signedHeaders: ['x-amz-content-sha256', 'x-amz-date'] })),
  ],
  [
    'A16 unsorted',
    400,
    'AuthorizationHeaderMalformed',
    edited(signed, 'SignedHeaders=host;x-amz', 'SignedHeaders=x-host;x-amz;x-amz'),
  ],
  ['A18 header and URL', 400, 'InvalidArgument', withLines(url, `Authorization: ${signed.headers.authorization}`)],
  ['A19 V2 beside V4', 400, 'InvalidArgument', withLines(url, `Authorization: ${v2.headers.authorization}`)],
  ['A20 Bearer alone', 400, 'InvalidArgument', withLines(GET, 'Authorization: Bearer x')],
  [
    'A22 a forwarded host from anybody',
    403,
    'SignatureDoesNotMatch',
    withLines(
      {
        ...signHeader({ ...GET, headers: { host: 'public.example' } }, BY),
        headers: { ...signHeader({ ...GET, headers: { host: 'public.example' } }, BY).headers, host: server.host },
      },
      'X-Forwarded-Host: public.example',
    ),
  ],
  ['A26 another method', 403, 'SignatureDoesNotMatch', edited(signed, 'GET', 'DELETE')],
  ['A27 another key', 403, 'SignatureDoesNotMatch', edited(signed, '/bucket/key', '/bucket/kez')],
  ['A27 a parameter more', 403, 'SignatureDoesNotMatch', edited(signed, '/bucket/key', '/bucket/key?acl')],
  ['A27 dot segments', 403, 'SignatureDoesNotMatch', edited(signed, '/bucket/key', '/bucket/x/../key')],
  ['A30 nobody', 403, 'AccessDenied', rawRequest(GET)],
  ['P01 an altered signature', 403, 'SignatureDoesNotMatch', edited(url, /Signature=\w{8}/, 'Signature=00000000')],
  ['P02 a parameter missing', 400, 'AuthorizationQueryParametersError', edited(url, /X-Amz-Expires=\d+&/, '')],
  [
    'P02 a parameter twice',
    400,
    'AuthorizationQueryParametersError',
    edited(url, 'X-Amz-Expires=', 'X-Amz-Expires=1&X-Amz-Expires='),
  ],
  [
    'P02 a parameter in lower case',
    400,
    'AuthorizationQueryParametersError',
    edited(url, 'X-Amz-Signature', 'x-amz-signature'),
  ],
  [
    'P03 Expires 604801',
    400,
    'AuthorizationQueryParametersError',
    rawRequest(presign(GET, { ...BY, expires: 604801 })),
  ],
  ['P03 Expires -1', 400, 'AuthorizationQueryParametersError', rawRequest(presign(GET, { ...BY, expires: -1 }))],
  ['P04 expired', 403, 'AccessDenied', rawRequest(presign(GET, { ...ago(61), expires: 60 }))],
  ['P05 V4a', 400, 'AuthorizationQueryParametersError', edited(url, 'AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256')],
  ['P06 a parameter more', 403, 'SignatureDoesNotMatch', edited(url, '?', '?versionId=1&')],
  ['P08 a GET used as PUT', 403, 'SignatureDoesNotMatch', withLines({ ...url, method: 'PUT' }, 'content-length: 0')],
  ['P09 dated ahead', 403, 'AccessDenied', rawRequest(presign(GET, ago(-910)))],
  ['P10 an override added', 403, 'SignatureDoesNotMatch', edited(url, '?', '?response-content-type=text/html&')],
  ['P12 on another host', 403, 'SignatureDoesNotMatch', edited(url, server.host, 'elsewhere.example')],
  ['P13 a fragment', 400, 'InvalidURI', edited(url, '/bucket/key', '/bucket/key#a')],
  ['P13 an absolute target', 400, 'InvalidURI', edited(url, ' /bucket', ` http://${server.host}/bucket`)],
  [
    'P14 a signed header that is missing',
    403,
    'SignatureDoesNotMatch',
    edited(
      presign({ ...GET, headers: { ...GET.headers, range: 'bytes=0-9' } }, { ...BY, signedHeaders: ['host', 'range'] }),
      /range: .*\r\n/,
      '',
    ),
  ],
  [
    'P18 multipart parameters added',
    403,
    'SignatureDoesNotMatch',
    edited(presign(PUT, BY), '?', '?partNumber=1&uploadId=u&'),
  ],
  [
    'V01 a tampered V2 signature',
    403,
    'SignatureDoesNotMatch',
    edited(v2, /AWS \w+:[\w+/]{4}/, `AWS ${CALLER.accessKey}:AAAA`),
  ],
  ['V03 no V2 date', 403, 'AccessDenied', edited(v2, /date: .*\r\n/, '')],
  ['V05 expired', 403, 'AccessDenied', rawRequest(presignV2(GET, { ...CALLER, expires: 1175139620 }))],
  ['V06 an x-amz- header more', 403, 'SignatureDoesNotMatch', withLines(v2, 'x-amz-acl: public-read')],
  [
    'V07 an operation chosen by what is not signed',
    403,
    'AccessDenied',
    edited(v2, '/bucket/key', '/bucket/key?retention'),
  ],
  ['V11 V2 where only V4 is listed', 400, 'InvalidRequest', rawRequest(signV2Header(GET, { ...V4_ONLY, time: now }))],
  ['V12 nonsense', 400, 'InvalidArgument', withLines(GET, 'Authorization: AWS HAHAHA')],
  ['V13 a folded Content-Type', 400, 'InvalidRequest', withLines(v2, 'Content-Type: a', ' b')],
  ...UNSIGNED.flatMap(([id, line]) => [
    [
      `${id} ${line}, not signed, beside a V4 header`,
      403,
      'AccessDenied',
      withLines(signHeader(PUT, BY), line),
    ] as const,
    [`${id} ${line}, not signed, beside a V4 URL`, 403, 'AccessDenied', withLines(presign(PUT, BY), line)] as const,
  ]),
  [
    'U06 a payload word added to a URL',
    403,
    'AccessDenied',
    withLines(presign(PUT, BY), 'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER'),
  ],
  ['U08 a session token', 400, 'InvalidToken', withLines(signHeader(PUT, BY), 'x-amz-security-token: t')],
];

for (const [title, status, code, bytes] of REFUSED) {
  t.test(`${title}: ${status} ${code}`, async (t) => {
    const before = server.calls();
    const answer = await exchange(server.port, bytes);
    t.same([answer.status, answer.code], [status, code], answer.text);
    t.equal(server.calls(), before, 'nothing behind the check was called');
    t.notMatch(answer.text, CALLER.secretKey);
  });
}

t.test("A23 a trusted proxy's host counts, for the signature and for the bucket", async (t) => {
  const trusting = await startAuthServer(t, { domains: ['public.example'], trustedProxies: ['127.0.0.1'] });
  const request = signHeader({ method: 'GET', target: '/key', headers: { host: 'bucket.public.example' } }, BY);
  const bytes = withLines(
    { ...request, headers: { ...request.headers, host: trusting.host } },
    'X-Forwarded-Host: bucket.public.example',
  );
  const answer = await exchange(trusting.port, bytes);
  t.equal(answer.status, 200, answer.text);
  t.same([trusting.taken[0]?.request.bucket, trusting.taken[0]?.request.key], ['bucket', 'key']);
});

t.test('A24 A25 spellings of a Host: only the one that was signed', async (t) => {
  const named = await startAuthServer(t, { domains: ['s3.example'] });
  const request = signHeader({ ...GET, headers: { host: 's3.example' } }, BY);
  for (const [host, status] of [
    ['s3.example', 200],
    [named.host, 200],
    ['s3.example:80', 200],
    ['evil-s3.example', 200],
    ['x.s3.example', 400],
    ['xyz.s3.example', 403],
    ['a@s3.example', 400],
    ['s3.example:0', 200],
    ['s3.example:', 400],
  ] as const) {
    const answer = await exchange(named.port, rawRequest({ ...request, headers: { ...request.headers, host } }));
    t.equal(answer.status, status, host);
  }
});
