import { createHmac } from 'node:crypto';
import { Readable } from 'node:stream';
import t from 'tap';
import { authenticate } from '../../../src/auth/authenticate.ts';
import { SigningKeys } from '../../../src/auth/credentials.ts';
import { isSignature, sign } from '../../../src/auth/sigv4.ts';
import type { S3Request, S3Response } from '../../../src/s3/message.ts';
import { CALLER, HOST, NOW, V4_ONLY } from '../../support/auth-gate.ts';
import { generatedBytes } from '../../support/generated.ts';
import { bytesOf, requestOf } from '../../support/request.ts';
import { signingKey } from '../../support/slow-verifier.ts';

const EXPIRATION = '2026-11-20T13:00:00.000Z';
const CREDENTIAL = `${CALLER.accessKey}/20261120/us-east-1/s3/aws4_request`;
const SIGNED_FIELDS = {
  'x-amz-algorithm': 'AWS4-HMAC-SHA256',
  'x-amz-credential': CREDENTIAL,
  'x-amz-date': '20261120T120000Z',
};
type Fields = Readonly<Record<string, string>>;

interface FormOptions {
  readonly fields?: Fields;
  /** Conditions besides those of the signature, bucket and `fields`. */
  readonly conditions?: readonly unknown[];
  readonly policy?: unknown;
  readonly file?: Buffer | string;
  readonly filename?: string;
  readonly after?: string;
  readonly version?: 'v4' | 'v2';
  readonly change?: (fields: Record<string, string>) => void;
  readonly target?: string;
  readonly headers?: Fields;
  readonly chunkSize?: number;
  readonly withLength?: boolean;
  readonly cut?: number;
}

/** A form as a browser would send it, with a policy that allows just its own fields. */
function formOf(options: FormOptions): S3Request {
  const { fields = { key: 'a/b.txt' }, version = 'v4', file = 'content', filename = 'my file.txt' } = options;
  const signedFields = version === 'v4' ? SIGNED_FIELDS : {};
  const conditions = [
    { bucket: 'bucket' },
    ...Object.entries(signedFields).map(([name, value]) => ({ [name]: value })),
    ...Object.entries(fields).map(([name]) => ['starts-with', `$${name}`, '']),
    ...(options.conditions ?? []),
  ];
  const document = options.policy ?? { expiration: EXPIRATION, conditions };
  const text = typeof document === 'string' ? document : JSON.stringify(document);
  const policy = Buffer.from(text).toString('base64');
  const all: Record<string, string> = { ...fields, ...signedFields, policy };
  if (version === 'v4') {
    const key = signingKey(CALLER.secretKey, '20261120', 'us-east-1');
    all['x-amz-signature'] = createHmac('sha256', key).update(policy).digest('hex');
  } else {
    all.AWSAccessKeyId = CALLER.accessKey;
    all.signature = createHmac('sha1', CALLER.secretKey).update(policy).digest('base64');
  }
  options.change?.(all);
  const parts = Object.entries(all).map(([name, value]) => part(name, value));
  const head = `${parts.join('')}--xyz\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\nContent-Type: text/plain\r\n\r\n`;
  const whole = Buffer.concat([
    Buffer.from(head),
    typeof file === 'string' ? Buffer.from(file) : file,
    Buffer.from(`\r\n${options.after ?? ''}--xyz--\r\n`),
  ]);
  const bytes = whole.subarray(0, whole.length - (options.cut ?? 0));
  const size = options.chunkSize ?? bytes.length;
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
    bytes.subarray(n * size, (n + 1) * size),
  );
  return requestOf({
    method: 'POST',
    target: options.target ?? '/bucket',
    headers: {
      host: HOST,
      'content-type': 'multipart/form-data; boundary=xyz',
      ...(options.withLength !== false && { 'content-length': String(whole.length) }),
      ...options.headers,
    },
    body: Readable.from(chunks),
  });
}

function part(name: string, value: string): string {
  return `--xyz\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
}

interface Outcome {
  readonly code: string;
  readonly request: S3Request | undefined;
  readonly bytes: Buffer;
  readonly response: S3Response | undefined;
}

async function post(options: FormOptions | S3Request): Promise<Outcome> {
  const known = new Map([CALLER, V4_ONLY].map((credential) => [credential.accessKey, credential]));
  const layer = authenticate({
    credentials: (accessKey) => known.get(accessKey),
    domains: [],
    now: () => NOW,
    allowAnonymous: () => true,
  });
  let request: S3Request | undefined;
  let bytes = Buffer.alloc(0);
  try {
    const response = await layer(async (handed) => {
      request = handed;
      bytes = Buffer.from(await bytesOf(handed.body));
      return { status: 200, headers: new Map([['etag', '"e"']]), body: null };
    })('rawPath' in options ? options : formOf(options));
    return { code: 'accepted', request, bytes, response };
  } catch (error) {
    return {
      code: error instanceof Error && 'code' in error ? String(error.code) : String(error),
      request,
      bytes,
      response: undefined,
    };
  }
}

t.test("AWS's published POST signature", async (t) => {
  // The example's policy, with the line ends that its base64 has.
  const policy = [
    '{ "expiration": "2015-12-30T12:00:00.000Z",',
    '  "conditions": [',
    '    {"bucket": "sigv4examplebucket"},',
    '    ["starts-with", "$key", "user/user1/"],',
    '    {"acl": "public-read"},',
    '    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},',
    '    ["starts-with", "$Content-Type", "image/"],',
    '    {"x-amz-meta-uuid": "14365123651274"},',
    '    {"x-amz-server-side-encryption": "AES256"},',
    '    ["starts-with", "$x-amz-meta-tag", ""],',
    '',
    '    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},',
    '    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},',
    '    {"x-amz-date": "20151229T000000Z" }',
    '  ]',
    '}',
  ].join('\r\n');
  const credential = { ...CALLER, accessKey: 'A', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
  const key = new SigningKeys().v4(credential, { day: '20151229', region: 'us-east-1' });
  const signature = sign(key, Buffer.from(policy).toString('base64'));
  t.ok(isSignature(signature, '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e'), signature);
});

t.test('a form becomes a PutObject, whatever way it arrives', async (t) => {
  const fields = {
    key: 'up/${filename}',
    'Content-Type': 'image/png',
    acl: 'private',
    'x-amz-meta-name': 'Zoë',
    tagging: '<Tagging><TagSet><Tag><Key>a b</Key><Value>c&amp;d</Value></Tag></TagSet></Tagging>',
  };
  for (const version of ['v4', 'v2'] as const) {
    for (const size of [0, 1, 70_000, 300_000, 1_000_000]) {
      for (const chunkSize of [1000, 65_536, 5_000_000]) {
        const file = generatedBytes(size, size);
        const { code, request, bytes, response } = await post({
          fields,
          version,
          file,
          chunkSize,
          filename: 'C:\\tmp\\é.png',
        });
        t.equal(code, 'accepted');
        t.ok(bytes.equals(file), `${version}: ${size} bytes in chunks of ${chunkSize}`);
        t.same([request?.method, request?.operation, request?.key], ['PUT', 'PutObject', 'up/é.png']);
        t.same([request?.bodyLength, request?.headers.get('content-length')], [size, String(size)]);
        t.same(request?.identity, { name: CALLER.name, accessKey: CALLER.accessKey });
        t.equal(request?.headers.get('content-type'), 'image/png');
        t.equal(request?.headers.get('x-amz-acl'), 'private');
        t.equal(request?.headers.get('x-amz-meta-name'), Buffer.from('Zoë').toString('latin1'));
        t.equal(request?.headers.get('x-amz-tagging'), 'a%20b=c%26d');
        t.equal(response?.status, 204);
      }
    }
  }
});

t.test('a form is read the same wherever its bytes are split', async (t) => {
  const file = '--xyz\r\n-\r\n--xy\r\n--xyZ--\r\n';
  for (let chunkSize = 1; chunkSize < 60; chunkSize++) {
    const { code, bytes } = await post({ file, chunkSize });
    t.same([code, bytes.toString()], ['accepted', file]);
  }
});

const REFUSED: readonly (readonly [title: string, code: string, options: FormOptions])[] = [
  ['B01 a condition that is not met', 'AccessDenied', { conditions: [{ key: 'other' }] }],
  ['B01 a starts-with that is not met', 'AccessDenied', { conditions: [['starts-with', '$key', 'b/']] }],
  ['B01 a condition on a field that is not there', 'AccessDenied', { conditions: [{ 'x-amz-meta-a': 'x' }] }],
  [
    'B02 a field that no condition covers',
    'AccessDenied',
    {
      change: (fields) => {
        fields.acl = 'public-read';
      },
    },
  ],
  ['B03 values are compared with their case', 'AccessDenied', { conditions: [['eq', '$key', 'A/B.TXT']] }],
  ['B04 one byte more than allowed', 'EntityTooLarge', { conditions: [['content-length-range', 0, 6]] }],
  ['B04 one byte less than allowed', 'EntityTooSmall', { conditions: [['content-length-range', 8, 100]] }],
  [
    'B04 a big file over the range',
    'EntityTooLarge',
    { file: generatedBytes(400_000, 1), conditions: [['content-length-range', 0, 399_999]], withLength: false },
  ],
  [
    'B04 the narrowest of several ranges',
    'EntityTooLarge',
    {
      conditions: [
        ['content-length-range', 0, 100],
        ['content-length-range', 0, 6],
      ],
    },
  ],
  ['B05 an expired policy', 'AccessDenied', { policy: { expiration: '2026-11-20T12:00:00Z', conditions: [] } }],
  ['B06 a policy without expiration', 'InvalidPolicyDocument', { policy: { conditions: [] } }],
  ['B06 a policy without conditions', 'InvalidPolicyDocument', { policy: { expiration: EXPIRATION } }],
  ['B06 names of another case', 'InvalidPolicyDocument', { policy: { EXPIRATION, conditions: [] } }],
  ['B06 a date that is none', 'InvalidPolicyDocument', { policy: { expiration: 'tomorrow', conditions: [] } }],
  ['B06 an empty condition', 'InvalidPolicyDocument', { conditions: [{}] }],
  ['B06 an operator nobody knows', 'InvalidPolicyDocument', { conditions: [['ends-with', '$key', 't']] }],
  ['B06 a range without its end', 'InvalidPolicyDocument', { conditions: [['content-length-range', 0]] }],
  ['B06 a range below nothing', 'InvalidPolicyDocument', { conditions: [['content-length-range', -1, 5]] }],
  [
    'B07 a wrong signature',
    'SignatureDoesNotMatch',
    {
      change: (fields) => {
        fields['x-amz-signature'] = '0'.repeat(64);
      },
    },
  ],
  [
    'B07 a wrong V2 signature',
    'SignatureDoesNotMatch',
    {
      version: 'v2',
      change: (fields) => {
        fields.signature = 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=';
      },
    },
  ],
  [
    'B07 a policy changed after it was signed',
    'SignatureDoesNotMatch',
    {
      change: (fields) => {
        fields.policy = `${fields.policy?.slice(0, -4)}AAAA`;
      },
    },
  ],
  [
    'B07 no signature',
    'InvalidArgument',
    {
      change: (fields) => {
        delete fields['x-amz-signature'];
      },
    },
  ],
  [
    'B07 an unknown key',
    'InvalidAccessKeyId',
    {
      change: (fields) => {
        fields['x-amz-credential'] = CREDENTIAL.replace(CALLER.accessKey, 'AKNOBODY');
      },
    },
  ],
  ['B08 a policy that is not JSON', 'InvalidPolicyDocument', { policy: '{"expiration"' }],
  ['B08 a policy that is an array', 'InvalidPolicyDocument', { policy: '[]' }],
  [
    'A09 a policy that is a string to sign',
    'InvalidPolicyDocument',
    { policy: 'AWS4-HMAC-SHA256\n20261120T120000Z\n' },
  ],
  [
    'B09 a credential the policy does not name',
    'AccessDenied',
    { policy: { expiration: EXPIRATION, conditions: [{ bucket: 'bucket' }, ['starts-with', '$key', '']] } },
  ],
  [
    "B09 a date that is not the credential's",
    'InvalidArgument',
    {
      change: (fields) => {
        fields['x-amz-date'] = '20261119T120000Z';
      },
    },
  ],
  ['B10 a form for another bucket', 'AccessDenied', { fields: { key: 'a', bucket: 'elsewhere' } }],
  ['B10 a policy for another bucket', 'AccessDenied', { target: '/elsewhere' }],
  [
    'B10 a policy for no bucket',
    'AccessDenied',
    {
      policy: {
        expiration: EXPIRATION,
        conditions: Object.entries({ key: 'a/b.txt', ...SIGNED_FIELDS }).map(([k, v]) => ({ [k]: v })),
      },
    },
  ],
  [
    'B11 a condition is held against the key after substitution',
    'AccessDenied',
    { fields: { key: 'a/${filename}' }, filename: 'x.exe', conditions: [['eq', '$key', 'a/${filename}']] },
  ],
  [
    'B16 a huge field',
    'MaxPostPreDataLengthExceededError',
    { fields: { key: 'a', 'x-amz-meta-a': 'x'.repeat(21_000) } },
  ],
  [
    'B16 fields without end',
    'MaxPostPreDataLengthExceededError',
    { fields: { key: 'x'.repeat(70_000) }, chunkSize: 1000 },
  ],
  [
    'B16 D04 ten thousand parts',
    'MalformedPOSTRequest',
    { fields: Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`x-ignore-${n}`, ''])) },
  ],
  [
    'B18 two files',
    'IncorrectNumberOfFilesInPostRequest',
    { after: part('file', 'second').replace('"file"', '"file"; filename="b"') },
  ],
  ['the end missing', 'IncompleteBody', { cut: 9 }],
  ['a boundary that never closes', 'MalformedPOSTRequest', { cut: 4 }],
  ['no key', 'InvalidArgument', { fields: { 'x-ignore-a': '' } }],
  ['an empty key', 'UserKeyMustBeSpecified', { fields: { key: '${filename}' }, filename: '' }],
  ['a session token', 'InvalidToken', { fields: { key: 'a', 'x-amz-security-token': 't' } }],
  [
    'V2 and V4 together',
    'InvalidArgument',
    {
      change: (fields) => {
        fields.signature = 'x';
      },
    },
  ],
  [
    'a line break in a header field',
    'InvalidArgument',
    { fields: { key: 'a', 'Content-Type': 'a\r\nx-amz-acl: public-read' } },
  ],
  [
    'A18 a form with a signature in its header',
    'InvalidArgument',
    { headers: { authorization: `AWS ${CALLER.accessKey}:x` } },
  ],
  ['another content type', 'PreconditionFailed', { headers: { 'content-type': 'application/json' } }],
  ['a wrong checksum', 'BadDigest', { fields: { key: 'a', 'x-amz-checksum-crc32': 'AAAAAA==' } }],
];

for (const [title, code, options] of REFUSED) {
  t.test(`${title}: ${code}`, async (t) => {
    const outcome = await post(options);
    t.equal(outcome.code, code);
    t.equal(outcome.bytes.length, 0, 'nothing whole was handed on');
  });
}

t.test('B07 a form nobody signed is refused, even where anonymous reads are allowed', async (t) => {
  const { code } = await post({
    change: (fields) => {
      for (const name of Object.keys(fields)) if (name !== 'key') delete fields[name];
    },
  });
  t.equal(code, 'AccessDenied');
});

t.test('B08 base64 that only a lenient reader takes is refused', async (t) => {
  for (const broken of ['*', ' ', '=']) {
    const { code } = await post({
      version: 'v2',
      change: (fields) => {
        fields.policy = `${fields.policy}${broken}`;
        fields.signature = createHmac('sha1', CALLER.secretKey).update(fields.policy).digest('base64');
      },
    });
    t.equal(code, 'InvalidPolicyDocument');
  }
});

t.test('B11 of a file name only the last segment is used', async (t) => {
  const names = [
    ['../../etc/passwd', 'passwd'],
    ['..\\x', 'x'],
    ['a$&b', 'a$&b'],
    ['..', '..'],
  ] as const;
  for (const [filename, expected] of names) {
    const { request } = await post({ fields: { key: 'in/${filename}' }, filename });
    t.equal(request?.key, `in/${expected}`);
  }
});

t.test('B13 only fields that a form may set become headers', async (t) => {
  const fields = {
    key: 'a',
    'x-amz-copy-source': '/other/key',
    'x-amz-date': '20261120T120000Z',
    host: 'evil',
    'x-oss-acl': 'p',
  };
  const { code, request } = await post({ fields });
  t.equal(code, 'accepted');
  t.same([...(request?.headers.keys() ?? [])].sort(), ['content-length', 'host']);
  t.equal(request?.headers.get('host'), HOST);
});

t.test('B15 fields after the file are not looked at', async (t) => {
  const { code, bytes, request } = await post({ after: part('key', 'other') + part('acl', 'public-read') });
  t.same([code, bytes.toString(), request?.key], ['accepted', 'content', 'a/b.txt']);
  t.notOk(request?.headers.has('x-amz-acl'));
});

t.test('B15 behind a long file they fail the upload, whose length was promised', async (t) => {
  const { code } = await post({ file: generatedBytes(400_000, 1), after: part('submit', 'go'), chunkSize: 65_536 });
  t.equal(code, 'MalformedPOSTRequest');
  const unknown = await post({
    file: generatedBytes(400_000, 1),
    after: part('submit', 'go'),
    withLength: false,
    chunkSize: 65_536,
  });
  t.same([unknown.code, unknown.request?.bodyLength, unknown.bytes.length], ['accepted', undefined, 400_000]);
});

t.test('B17 redirects go to web pages only', async (t) => {
  const answer = async (url: string) => (await post({ fields: { key: 'k', success_action_redirect: url } })).response;
  const redirected = await answer('https://example.org/done?x=1');
  t.equal(redirected?.status, 303);
  t.equal(redirected?.headers.get('location'), 'https://example.org/done?x=1&bucket=bucket&key=k&etag=%22e%22');
  for (const url of ['javascript:alert(1)', 'ftp://a/', '//a/', 'https://a/ b', 'file:///etc/passwd']) {
    t.equal((await answer(url))?.status, 204, url);
  }
});

t.test('success_action_status chooses the answer', async (t) => {
  const answer = async (status: string) =>
    (await post({ fields: { key: 'a b', success_action_status: status } })).response;
  t.equal((await answer('200'))?.status, 200);
  t.equal((await answer('404'))?.status, 204);
  const created = await answer('201');
  t.equal(created?.status, 201);
  t.equal(created?.headers.get('location'), `http://${HOST}/bucket/a%20b`);
  const xml = (await bytesOf(created?.body ?? null)).toString();
  t.match(xml, '<Bucket>bucket</Bucket><Key>a b</Key><ETag>&quot;e&quot;</ETag></PostResponse>');
});

t.test('D03 no more than 64 KiB are read before the policy is verified', async (t) => {
  let given = 0;
  const source = new Readable({
    highWaterMark: 1,
    read() {
      given += 1000;
      this.push(Buffer.alloc(1000, 'a'));
    },
  });
  const request = requestOf({
    method: 'POST',
    target: '/bucket',
    headers: { host: HOST, 'content-type': 'multipart/form-data; boundary=xyz' },
    body: source,
  });
  t.equal((await post(request)).code, 'MaxPostPreDataLengthExceededError');
  t.ok(given < 70_000, `${given} bytes`);
  t.ok(source.destroyed);
});
