import t from 'tap';
import { authenticate } from '../../../src/auth/authenticate.ts';
import type { S3Request } from '../../../src/s3/message.ts';
import { bytesOf, type RequestOptions, requestOf } from '../../support/request.ts';
import {
  CHUNKED_VECTOR,
  EXAMPLE_HOST,
  EXAMPLE_KEY,
  EXAMPLE_TIME,
  TRAILER_VECTOR,
  V2_HEADER_VECTORS,
  V2_QUERY_VECTOR,
  V4_HEADER_VECTORS,
  V4_PRESIGNED_VECTOR,
} from '../../vectors/aws-published.ts';

/** Gives a request to the layer and returns what it hands on. */
async function accepted(options: RequestOptions, time: string = EXAMPLE_TIME): Promise<S3Request> {
  const domains = ['s3.amazonaws.com', 'johnsmith.net'];
  const layer = authenticate({
    credentials: (accessKey) =>
      accessKey === EXAMPLE_KEY.accessKey ? { name: 'example', ...EXAMPLE_KEY, signatures: ['v4', 'v2'] } : undefined,
    domains,
    now: () => new Date(time),
    allowAnonymous: () => false,
  });
  let passed: S3Request | undefined;
  await layer(async (request) => {
    passed = request;
    return { status: 200, headers: new Map(), body: null };
  })(requestOf({ domains, ...options }));
  if (passed === undefined) throw new Error('the layer answered by itself');
  return passed;
}

const SCOPE = `${EXAMPLE_KEY.accessKey}/20130524/us-east-1/s3/aws4_request`;

function authorization(headers: Readonly<Record<string, string>>, signature: string): string {
  const names = ['host', ...Object.keys(headers)].sort().join(';');
  return `AWS4-HMAC-SHA256 Credential=${SCOPE},SignedHeaders=${names},Signature=${signature}`;
}

for (const vector of V4_HEADER_VECTORS) {
  t.test(`AWS's published V4 signature: ${vector.name}`, async (t) => {
    const headers = {
      host: EXAMPLE_HOST,
      ...vector.headers,
      ...(vector.body !== '' && { 'content-length': String(vector.body.length) }),
      authorization: authorization(vector.headers, vector.signature),
    };
    const request = await accepted({ method: vector.method, target: vector.target, headers, body: vector.body });
    t.same(request.identity, { name: 'example', accessKey: EXAMPLE_KEY.accessKey });
    t.equal((await bytesOf(request.body)).toString(), vector.body);
    t.notOk(request.headers.has('authorization'));
  });
}

t.test("AWS's published presigned URL", async (t) => {
  const target = `${V4_PRESIGNED_VECTOR.target}&X-Amz-Signature=${V4_PRESIGNED_VECTOR.signature}`;
  const headers = { host: EXAMPLE_HOST };
  const request = await accepted({ target, headers }, '2013-05-24T23:59:59Z');
  t.equal(request.query.toString(), '');
  t.equal(request.operation, 'GetObject');
  await t.rejects(accepted({ target, headers }, '2013-05-25T00:00:00Z'), { code: 'AccessDenied' });
});

for (const [name, vector] of Object.entries({ CHUNKED_VECTOR, TRAILER_VECTOR })) {
  t.test(`AWS's published chunk signatures: ${name}`, async (t) => {
    let body = '';
    for (const [size, signature] of vector.chunks) {
      body += `${size.toString(16)};chunk-signature=${signature}\r\n${'a'.repeat(size)}`;
      if (size > 0 || !('trailer' in vector)) body += '\r\n';
    }
    if ('trailer' in vector) {
      body += `${vector.trailer}\r\nx-amz-trailer-signature:${vector.trailerSignature}\r\n\r\n`;
    }
    const headers = {
      host: vector.host,
      ...vector.headers,
      authorization: authorization(vector.headers, vector.seed),
    };
    const request = await accepted({ method: 'PUT', target: vector.target, headers, body });
    t.equal(request.bodyLength, 66560);
    t.equal((await bytesOf(request.body)).toString(), 'a'.repeat(66560));
    t.same(request.bodyChecksum(), 'trailer' in vector ? { algorithm: 'CRC32C', value: 'sOO8/Q==' } : undefined);
    t.notOk(request.headers.has('content-encoding'));
    t.equal(request.headers.get('content-length'), '66560');
    await t.rejects(
      accepted({ method: 'PUT', target: vector.target, headers, body: body.replace('aaaa\r\n', 'aaab\r\n') }).then(
        (damaged) => bytesOf(damaged.body),
      ),
      { code: 'SignatureDoesNotMatch' },
    );
  });
}

for (const { name, signature, ...vector } of V2_HEADER_VECTORS) {
  t.test(`AWS's published V2 signature: ${name}`, async (t) => {
    const headers = { ...vector.headers, authorization: `AWS ${EXAMPLE_KEY.accessKey}:${signature}` };
    // The one upload to a host that is a whole bucket name: static.johnsmith.net.
    const isBucketHost = headers.host.startsWith('static.');
    const options = {
      ...vector,
      headers,
      ...(isBucketHost && { domains: [], target: `/static.johnsmith.net${vector.target}` }),
    };
    const body = vector.method === 'PUT' ? 'x' : '';
    const request = await accepted({ ...options, body }, vector.headers.date);
    t.equal(request.identity?.accessKey, EXAMPLE_KEY.accessKey);
    const later = new Date(Date.parse(vector.headers.date) + 900_001).toISOString();
    await t.rejects(accepted({ ...options, body }, later), { code: 'RequestTimeTooSkewed' });
  });
}

t.test("AWS's published V2 query signature", async (t) => {
  const target = `${V2_QUERY_VECTOR.target}&Signature=${encodeURIComponent(V2_QUERY_VECTOR.signature)}`;
  const options = { target, headers: { host: V2_QUERY_VECTOR.host } };
  const request = await accepted(options, new Date(1175139619_000).toISOString());
  t.equal(request.query.toString(), '');
  await t.rejects(accepted(options, new Date(1175139620_000).toISOString()), { code: 'AccessDenied' });
});
