import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { buildQueryString, type HttpRequest, HttpResponse } from '@smithy/core/protocols';
import aws4 from 'aws4';
import t from 'tap';
import type { S3Request } from '../../../src/s3/message.ts';
import { CALLER, HOST, through } from '../../support/auth-gate.ts';
import { generatedBytes } from '../../support/generated.ts';
import { bytesOf, type RequestOptions } from '../../support/request.ts';

/** An SDK whose requests go straight into the layer; `passed` is what came out. */
function sdk(protocol: 'http' | 'https') {
  const passed: { request: S3Request; bytes: Buffer }[] = [];
  const client = new S3Client({
    region: 'ap-nowhere-9',
    endpoint: `${protocol}://${HOST}`,
    forcePathStyle: true,
    credentials: { accessKeyId: CALLER.accessKey, secretAccessKey: CALLER.secretKey },
    maxAttempts: 1,
    requestHandler: {
      handle: async (http: HttpRequest) => {
        const request = await through({ ...wire(http), scheme: protocol }, { time: new Date() });
        passed.push({ request, bytes: await bytesOf(request.body) });
        return {
          response: new HttpResponse({ statusCode: 200, headers: {}, body: Readable.from([Buffer.from('<Answer/>')]) }),
        };
      },
    },
  });
  const last = () => {
    const got = passed.at(-1);
    if (got === undefined) throw new Error('nothing arrived');
    return got;
  };
  return { client, last };
}

/** What would go on the wire: latin1 headers, the path as it is, the body as one stream. */
function wire(http: HttpRequest): RequestOptions {
  const query = buildQueryString(http.query);
  const headers = Object.fromEntries(
    Object.entries(http.headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
  const { body } = http;
  const source = body === undefined ? null : body instanceof Readable ? body : Readable.from([Buffer.from(body)]);
  return { method: http.method, target: query === '' ? http.path : `${http.path}?${query}`, headers, body: source };
}

const ORIGIN = `http://${HOST}`;
const KEYS = [
  'plain.txt',
  'a b+c',
  "it's (1)*!",
  'é/ü/漢字',
  'a//b/',
  '%41%2F',
  'x?y#z&w=1',
  '~tilde-_.',
  'a/./b/../c',
];

for (const protocol of ['http', 'https'] as const) {
  t.test(`SDK v3 over ${protocol}: every kind of body arrives whole`, async (t) => {
    const { client, last } = sdk(protocol);
    const input = { Bucket: 'bucket', Key: 'key' };
    for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const) {
      for (const size of [0, 5, 65536, 200_000]) {
        const body = generatedBytes(size, size);
        const whole = { ...input, Body: body, ChecksumAlgorithm: algorithm };
        await client.send(new PutObjectCommand(whole));
        t.ok(last().bytes.equals(body), `${algorithm} of ${size} bytes`);
        t.equal(last().request.bodyChecksum()?.algorithm, algorithm);
        t.equal(last().request.bodyLength, size);
        t.notMatch(last().request.headers.get('content-encoding'), 'aws-chunked');
        if (size === 0 || protocol === 'http') continue;
        await client.send(
          new UploadPartCommand({
            ...whole,
            Body: Readable.from([body]),
            ContentLength: size,
            PartNumber: 1,
            UploadId: 'u',
          }),
        );
        t.ok(last().bytes.equals(body), `a stream with ${algorithm} in the trailer`);
        t.equal(last().request.bodyChecksum()?.algorithm, algorithm);
      }
    }
  });

  t.test(`SDK v3 over ${protocol}: every kind of request is accepted`, async (t) => {
    const { client, last } = sdk(protocol);
    for (const Key of KEYS) {
      await client.send(new GetObjectCommand({ Bucket: 'bucket', Key, Range: 'bytes=0-9' }));
      t.same([last().request.operation, last().request.key], ['GetObject', Key]);
      await client.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body: 'x', Metadata: { a: ' two  words ' } }));
      t.same([last().request.operation, last().bytes.toString()], ['PutObject', 'x']);
      await client.send(
        new CopyObjectCommand({ Bucket: 'bucket', Key, CopySource: `bucket/${encodeURIComponent(Key)}` }),
      );
      t.equal(last().request.operation, 'CopyObject');
      await client.send(new ListObjectsV2Command({ Bucket: 'bucket', Prefix: Key, Delimiter: '/', MaxKeys: 1 }));
      t.equal(last().request.query.get('prefix'), Key);
      await client.send(new DeleteObjectsCommand({ Bucket: 'bucket', Delete: { Objects: [{ Key }] } }));
      t.match(last().bytes.toString(), '<Delete');
      await client.send(new CreateMultipartUploadCommand({ Bucket: 'bucket', Key, ChecksumAlgorithm: 'CRC32' }));
      t.equal(last().request.operation, 'CreateMultipartUpload');
    }
  });
}

t.test('SDK v3: presigned URLs are accepted, and their headers moved into the query come back', async (t) => {
  const { client } = sdk('http');
  for (const Key of KEYS) {
    const input = { Bucket: 'bucket', Key };
    const get = await getSignedUrl(client, new GetObjectCommand({ ...input, ResponseContentType: 'text/x' }));
    const request = await through({ target: get.slice(ORIGIN.length), headers: { host: HOST } }, { time: new Date() });
    t.same([request.operation, request.query.get('response-content-type')], ['GetObject', 'text/x']);
    t.notOk(request.query.parameters.some(({ name }) => /^x-amz/i.test(name)));
    t.equal(request.key, Key);
    const url = await getSignedUrl(
      client,
      new PutObjectCommand({ ...input, Metadata: { color: 'blue' }, StorageClass: 'STANDARD_IA', Tagging: 'a=b' }),
    );
    const body = Buffer.from('any bytes: the checksum in the URL is that of none');
    const put = await through(
      {
        method: 'PUT',
        target: url.slice(ORIGIN.length),
        headers: { host: HOST, 'content-length': String(body.length) },
        body,
      },
      { time: new Date() },
    );
    t.equal(put.operation, 'PutObject');
    t.equal(put.headers.get('x-amz-meta-color'), 'blue');
    t.equal(put.headers.get('x-amz-storage-class'), 'STANDARD_IA');
    t.equal(put.headers.get('x-amz-tagging'), 'a=b');
    t.ok((await bytesOf(put.body)).equals(body));
    t.equal(put.bodyChecksum(), undefined);
    t.notOk(
      put.query.parameters.some(({ name }) => /^x-amz/i.test(name)),
      'no checksum of nothing goes on',
    );
  }
});

t.test('aws4: random requests are accepted, in the header and in the query', async (t) => {
  let seed = 7;
  const random = (limit: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % limit;
  };
  const alphabet = [...'abcXYZ019-._~/ +%&=?#!\'()*,;:@$"<>[]{}|^`é漢'];
  const text = (max: number) =>
    Array.from({ length: 1 + random(max) }, () => alphabet[random(alphabet.length)]).join('');
  const encode = (value: string) => aws4Encode(value);
  for (let round = 0; round < 400; round++) {
    const key = text(12).replaceAll('/', '_');
    const names = ['prefix', 'marker', 'delimiter', 'x-id', 'A'];
    const query = names.slice(0, random(6)).map((name) => `${name}=${encode(text(8))}`);
    const path = `/bucket/${encode(key)}${query.length > 0 ? `?${query.join('&')}` : ''}`;
    const body = random(2) === 0 ? '' : text(30);
    const isQuery = random(2) === 0;
    const headers: Record<string, string> = { Host: HOST };
    if (body !== '') headers['Content-Length'] = String(Buffer.byteLength(body));
    if (!isQuery) {
      headers['X-Amz-Meta-Note'] = encode(text(10));
      headers['X-Amz-Content-Sha256'] = createHash('sha256').update(body).digest('hex');
    }
    const signed = aws4.sign(
      {
        service: 's3',
        region: 'r',
        method: body === '' ? 'GET' : 'PUT',
        host: HOST,
        path,
        headers,
        body,
        signQuery: isQuery,
      },
      { accessKeyId: CALLER.accessKey, secretAccessKey: CALLER.secretKey },
    );
    const lower = Object.fromEntries(
      Object.entries(signed.headers ?? {}).map(([n, v]) => [n.toLowerCase(), String(v)]),
    );
    const request = await through(
      {
        method: signed.method ?? 'GET',
        target: signed.path ?? '/',
        headers: lower,
        body: body === '' ? null : Buffer.from(body),
      },
      { time: new Date() },
    );
    t.equal(request.key, key, `${isQuery ? 'query' : 'header'} ${path}`);
    t.equal((await bytesOf(request.body)).toString(), body);
  }
});

function aws4Encode(value: string): string {
  return encodeURIComponent(value).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
