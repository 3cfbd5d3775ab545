import t from 'tap';
import { headersOf } from '../../../src/s3/headers.ts';
import { Query } from '../../../src/s3/query.ts';
import { mergeDialect } from '../../../src/upstream/dialect.ts';
import { createSigner, signV2, type Unsigned } from '../../../src/upstream/sign.ts';
import { VENDORS } from '../../../src/upstream/vendors.ts';

const credentials = { accessKey: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
const region = 'us-east-1';
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const DAY = new Date('2013-05-24T00:00:00Z');

function unsigned(parts: Partial<Unsigned> & { readonly text?: string }): Unsigned {
  return {
    method: 'GET',
    path: '/',
    query: Query.parse(parts.text ?? ''),
    headers: headersOf({ host: 'examplebucket.s3.amazonaws.com', 'x-amz-content-sha256': EMPTY }),
    bucket: 'examplebucket',
    key: undefined,
    ...parts,
  };
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, the examples that sign what we sign.
const published: readonly (readonly [string, string])[] = [
  ['lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
  ['max-keys=2&prefix=J', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
];
for (const [text, signature] of published) {
  t.test(`V4 gives the published signature for ?${text}`, async (t) => {
    const signer = createSigner({ credentials, region, dialect: VENDORS.other }, () => DAY);
    // Twice: the second time with cached keys.
    for (const _ of [1, 2]) {
      const headers = await signer.sign(unsigned({ text }));
      t.equal(
        headers.get('authorization'),
        `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${signature}`,
      );
      t.equal(headers.get('x-amz-date'), '20130524T000000Z');
    }
  });
}

t.test('V4 signs host, content-md5, content-type and x- headers, and nothing a proxy may touch', async (t) => {
  const signer = createSigner({ credentials, region, dialect: VENDORS.other }, () => DAY);
  const headers = headersOf({
    host: 'h',
    range: 'bytes=0-9',
    'accept-encoding': 'identity',
    'cache-control': 'no-cache',
    'content-md5': 'm',
    'content-type': 't',
    'x-amz-meta-a': '1',
    'x-vendor-b': '2',
  });
  const signed = (await signer.sign(unsigned({ headers }))).get('authorization');
  t.match(signed, 'SignedHeaders=content-md5;content-type;host;x-amz-date;x-amz-meta-a;x-vendor-b,');
});

t.test('a session token is sent and signed under both', async (t) => {
  const withToken = { ...credentials, sessionToken: 'TOKEN' };
  for (const signature of ['v4', 'v2'] as const) {
    const dialect = mergeDialect(VENDORS.other, { signature });
    const plain = createSigner({ credentials, region, dialect }, () => DAY);
    const signer = createSigner({ credentials: withToken, region, dialect }, () => DAY);
    const headers = await signer.sign(unsigned({}));
    t.equal(headers.get('x-amz-security-token'), 'TOKEN');
    t.not(headers.get('authorization'), (await plain.sign(unsigned({}))).get('authorization'));
  }
});

t.test('V2 signs by the worked example, but for the date, whose form is ours', (t) => {
  // Independent: printf 'GET\n\n\nFri, 24 May 2013 00:00:00 GMT\n/examplebucket/photos/a%20b?acl' | openssl dgst -sha1 -hmac KEY -binary | base64
  const request = unsigned({ key: 'photos/a b', path: '/photos/a%20b', text: 'acl&prefix=x', headers: new Map() });
  const headers = signV2(request, credentials, DAY);
  t.equal(headers.get('date'), 'Fri, 24 May 2013 00:00:00 GMT');
  t.equal(headers.get('authorization'), 'AWS AKIAIOSFODNN7EXAMPLE:maz3YxEVFLTuj3OBTwoxgshTmyw=');
  t.end();
});

t.test('V2 does not mind the addressing', (t) => {
  const path = signV2(unsigned({ key: 'k', path: '/examplebucket/k' }), credentials, DAY);
  const virtual = signV2(unsigned({ key: 'k', path: '/k' }), credentials, DAY);
  t.equal(path.get('authorization'), virtual.get('authorization'));
  t.end();
});

t.test('the clock is corrected by a date, within a day', async (t) => {
  const signer = createSigner({ credentials, region, dialect: VENDORS.other }, () => DAY);
  t.equal(signer.adjustClock(undefined), false);
  t.equal(signer.adjustClock('nonsense'), false);
  t.equal(signer.adjustClock('Sun, 26 May 2013 00:00:00 GMT'), false);
  t.equal((await signer.sign(unsigned({}))).get('x-amz-date'), '20130524T000000Z');
  t.equal(signer.adjustClock('Fri, 24 May 2013 02:00:00 GMT'), true);
  t.equal((await signer.sign(unsigned({}))).get('x-amz-date'), '20130524T020000Z');
});
