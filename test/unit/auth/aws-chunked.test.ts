import { Readable } from 'node:stream';
import t from 'tap';
import { createChecksum } from '../../../src/s3/checksum.ts';
import type { S3Request } from '../../../src/s3/message.ts';
import { CALLER, HOST, NOW, through, verdict } from '../../support/auth-gate.ts';
import { generatedBytes } from '../../support/generated.ts';
import { bytesOf } from '../../support/request.ts';
import { signedChunks, signHeader, unsignedChunks, type WireRequest } from '../../support/slow-verifier.ts';

const BY = { ...CALLER, time: NOW };
const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
const SIGNED_TRAILER = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER';
const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
const MODES = [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] as const;
type Mode = (typeof MODES)[number];

function crc32(body: Buffer): string {
  const checksum = createChecksum('CRC32');
  checksum.update(body);
  return checksum.digest();
}

interface Upload {
  readonly mode: Mode;
  readonly body: Buffer;
  readonly sizes?: readonly number[];
  readonly trailer?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly target?: string;
}

interface Framed {
  readonly request: WireRequest;
  readonly bytes: Buffer;
}

/** An upload in one of the modes, with a CRC32 trailer where the mode has one. */
function upload({
  mode,
  body,
  sizes = body.length > 0 ? [body.length] : [],
  trailer,
  headers,
  target,
}: Upload): Framed {
  const hasTrailer = mode !== SIGNED;
  const line = trailer ?? (hasTrailer ? `x-amz-checksum-crc32:${crc32(body)}` : undefined);
  const request = signHeader(
    {
      method: 'PUT',
      target: target ?? '/bucket/key',
      headers: {
        host: HOST,
        'content-encoding': 'aws-chunked',
        'x-amz-content-sha256': mode,
        'x-amz-decoded-content-length': String(body.length),
        ...(hasTrailer && { 'x-amz-trailer': 'x-amz-checksum-crc32' }),
        ...headers,
      },
    },
    BY,
  );
  const options = { sizes, ...(line !== undefined && { trailer: line }) };
  const bytes =
    mode === UNSIGNED_TRAILER ? unsignedChunks(body, options) : signedChunks(body, request, { ...BY, ...options });
  return { request, bytes };
}

/** Sends framed bytes, split as given; tells the code and what came through before it. */
async function send({ request, bytes }: Framed, splitAt: readonly number[] = []) {
  const edges = [0, ...splitAt, bytes.length];
  const chunks = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
  const source = Readable.from(chunks.filter((chunk) => chunk.length > 0));
  const received: Buffer[] = [];
  let passed: S3Request | undefined;
  try {
    passed = await through({ ...request, body: source });
    if (passed.body instanceof Readable) for await (const chunk of passed.body) received.push(chunk as Buffer); // A byte stream.
    return { code: 'accepted', bytes: Buffer.concat(received), passed };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return { code, bytes: Buffer.concat(received), passed };
  }
}

function replace(framed: Framed, from: string | RegExp, to: string): Framed {
  const text = framed.bytes.toString('latin1');
  const changed = text.replace(from, () => to);
  if (changed === text) throw new Error(`${from} does not stand there`);
  return { ...framed, bytes: Buffer.from(changed, 'latin1') };
}

const small = generatedBytes(40, 1);
const large = generatedBytes(30_000, 2);

for (const mode of MODES) {
  t.test(`${mode}: bodies of many sizes in many chunks arrive whole`, async (t) => {
    for (const sizes of [[], [1], [8192], [8192, 8192, 1], [65536, 65536, 100], [10_000, 20_000]]) {
      const body = generatedBytes(
        sizes.reduce((sum, size) => sum + size, 0),
        9,
      );
      const { code, bytes, passed } = await send(upload({ mode, body, sizes }));
      t.equal(code, 'accepted', sizes.join('+'));
      t.ok(bytes.equals(body));
      t.same([passed?.bodyLength, passed?.headers.get('content-length')], [body.length, String(body.length)]);
      t.same(passed?.bodyChecksum(), mode === SIGNED ? undefined : { algorithm: 'CRC32', value: crc32(body) });
      for (const name of [
        'content-encoding',
        'x-amz-trailer',
        'x-amz-decoded-content-length',
        'x-amz-content-sha256',
      ]) {
        t.notOk(passed?.headers.has(name), name);
      }
    }
  });

  t.test(`C24 ${mode}: split at every boundary the bytes are the same`, async (t) => {
    const framed = upload({ mode, body: small });
    for (let at = 1; at < framed.bytes.length; at++) {
      const { code, bytes } = await send(framed, [at]);
      if (code !== 'accepted' || !bytes.equals(small)) t.fail(`split at ${at}: ${code}`);
    }
    const every = Array.from({ length: framed.bytes.length - 1 }, (_, index) => index + 1);
    t.equal((await send(framed, every)).code, 'accepted', 'a byte at a time');
  });

  t.test(`C09 ${mode}: the end at any byte before the last fails, and is never whole`, async (t) => {
    const framed = upload({ mode, body: small });
    for (let length = 0; length < framed.bytes.length; length++) {
      const { code, bytes } = await send({ ...framed, bytes: framed.bytes.subarray(0, length) });
      if (!['IncompleteBody', 'MalformedTrailerError'].includes(code) || bytes.length >= small.length) {
        t.fail(`cut at ${length}: ${code}, ${bytes.length} bytes`);
      }
    }
    t.pass();
  });

  t.test(`${mode}: every byte flipped fails, unless it is only the case of a size`, async (t) => {
    const framed = upload({ mode, body: small });
    for (let at = 0; at < framed.bytes.length; at++) {
      const bytes = Buffer.from(framed.bytes);
      bytes[at] = (bytes[at] ?? 0) ^ 0x20;
      const result = await send({ ...framed, bytes });
      const isNameCase =
        mode !== SIGNED && /[a-z-]/.test(String.fromCharCode(framed.bytes[at] ?? 0)) && result.code === 'accepted';
      if (
        result.code === 'accepted' ? !isNameCase || !result.bytes.equals(small) : result.bytes.length >= small.length
      ) {
        t.fail(`byte ${at}: ${result.code}, ${result.bytes.length} bytes`);
      }
    }
    t.pass();
  });

  t.test(`C06 ${mode}: bytes after the end fail`, async (t) => {
    const framed = upload({ mode, body: small });
    for (const extra of ['\r\n', 'x', '0\r\n\r\n']) {
      const { code, bytes } = await send({ ...framed, bytes: Buffer.concat([framed.bytes, Buffer.from(extra)]) });
      t.equal(code, 'IncompleteBody');
      t.ok(bytes.length < small.length);
    }
  });

  t.test(`C07 C08 ${mode}: other bytes than declared fail`, async (t) => {
    for (const declared of [29_999, 30_001, 0]) {
      const framed = upload({
        mode,
        body: large,
        sizes: [10_000, 20_000],
        headers: { 'x-amz-decoded-content-length': String(declared) },
      });
      t.equal((await send(framed)).code, 'IncompleteBody', String(declared));
    }
    for (const declared of ['-1', '1e3', '0x10', ' ', '99999999999999999999']) {
      const framed = upload({ mode, body: small, headers: { 'x-amz-decoded-content-length': declared } });
      t.equal((await send(framed)).code, 'InvalidArgument', JSON.stringify(declared));
    }
  });

  t.test(`C10 C12 ${mode}: chunk sizes and line ends in one spelling only`, async (t) => {
    const framed = upload({ mode, body: small });
    for (const size of ['-28', '+28', '0x28', '028', ' 28', '28 ', '2 8', '00000000000000028', 'g', '']) {
      t.equal((await send(replace(framed, /^28/, size))).code, 'IncompleteBody', JSON.stringify(size));
    }
    t.equal((await send(replace(framed, '\r\n', '\n'))).code, 'IncompleteBody', 'a bare LF');
    t.equal((await send(replace(framed, '\r\n', '\r'))).code, 'IncompleteBody', 'a bare CR');
    t.equal((await send(replace(framed, '\r\n', '\r\r\n'))).code, 'IncompleteBody', 'CR twice');
  });

  t.test(`C13 ${mode}: a chunk of 8,191 bytes may only be the last`, async (t) => {
    t.equal((await send(upload({ mode, body: large, sizes: [8192, 21_808] }))).code, 'accepted');
    const { code, bytes } = await send(upload({ mode, body: large, sizes: [8191, 21_809] }));
    t.equal(code, 'InvalidChunkSizeError');
    t.ok(bytes.length < large.length);
  });

  t.test(`C18 ${mode}: a chunk header without end is cut`, async (t) => {
    const { request } = upload({ mode, body: small });
    let given = 0;
    const endless = new Readable({
      highWaterMark: 1,
      read() {
        given += 512;
        this.push(Buffer.alloc(512, '1'));
      },
    });
    const passed = await through({ ...request, body: endless });
    await t.rejects(bytesOf(passed.body), { code: 'IncompleteBody' });
    t.ok(given <= 8192, `${given} bytes`);
    t.ok(endless.destroyed);
  });

  t.test(`C01 ${mode}: a wrong signature of the request reads no byte`, async (t) => {
    const { request } = upload({ mode, body: small });
    const source = new Readable({
      read() {
        t.fail('the body was read');
        this.push(null);
      },
    });
    const headers = {
      ...request.headers,
      authorization: (request.headers.authorization ?? '').replace(/.{4}$/, '0000'),
    };
    t.equal(await verdict({ ...request, headers, body: source }), 'SignatureDoesNotMatch');
  });

  t.test(`${mode} is for PutObject and UploadPart only`, async (t) => {
    t.equal(
      (await send(upload({ mode, body: small, target: '/bucket/key?partNumber=1&uploadId=u' }))).code,
      'accepted',
    );
    for (const target of ['/bucket', '/bucket/key?acl', '/bucket/key?tagging', '/bucket/key?retention']) {
      t.equal((await send(upload({ mode, body: small, target }))).code, 'InvalidRequest', target);
    }
  });

  t.test(`${mode} without a decoded length`, async (t) => {
    const headers = { host: HOST, 'x-amz-content-sha256': mode, 'content-length': '100' };
    t.equal(await verdict(signHeader({ method: 'PUT', target: '/bucket/key', headers }, BY)), 'MissingContentLength');
  });
}

t.test('C02 C03 C05 signed chunks: changed, swapped, replayed', async (t) => {
  const sizes = [10_000, 10_000, 10_000];
  for (const mode of [SIGNED, SIGNED_TRAILER] as const) {
    const framed = upload({ mode, body: large, sizes });
    const changed = Buffer.from(framed.bytes);
    changed[200] = (changed[200] ?? 0) ^ 1;
    t.equal((await send({ ...framed, bytes: changed })).code, 'SignatureDoesNotMatch', 'C02');
    const chunk = 10_000 + '2710;chunk-signature='.length + 64 + 4;
    const part = (index: number) => framed.bytes.subarray(index * chunk, (index + 1) * chunk);
    const swapped = Buffer.concat([part(1), part(0), framed.bytes.subarray(2 * chunk)]);
    t.equal((await send({ ...framed, bytes: swapped })).code, 'SignatureDoesNotMatch', 'C03');
    const other = upload({ mode, body: large, sizes, target: '/bucket/other' });
    const replayed = Buffer.concat([part(0), other.bytes.subarray(chunk)]);
    t.equal((await send({ ...framed, bytes: replayed })).code, 'SignatureDoesNotMatch', 'C05');
  }
});

t.test("C04 the last chunk's signature counts", async (t) => {
  const framed = upload({ mode: SIGNED, body: small });
  t.equal(
    (await send(replace(framed, /0;chunk-signature=\w{4}/, '0;chunk-signature=0000'))).code,
    'SignatureDoesNotMatch',
  );
  t.equal((await send(replace(framed, /0;chunk-signature=\w{64}/, '0'))).code, 'IncompleteBody');
  t.equal(
    (await send(replace(framed, /0;chunk-signature=\w{64}/, '0;chunk-signature='))).code,
    'SignatureDoesNotMatch',
  );
});

t.test('C11 signed chunks have at most 16 MiB; one unsigned chunk may be the whole body (Go SDK)', async (t) => {
  const body = Buffer.alloc(16 * 1024 * 1024 + 1, 7);
  const { code, bytes } = await send(upload({ mode: SIGNED, body }));
  t.equal(code, 'InvalidChunkSizeError');
  t.equal(bytes.length, 0);
  t.equal((await send(upload({ mode: UNSIGNED_TRAILER, body }))).code, 'accepted');
  t.equal((await send(upload({ mode: SIGNED, body, sizes: [body.length - 1, 1] }))).code, 'accepted');
});

t.test('C14 C15 C16 trailers: wrong, missing, twice, not announced', async (t) => {
  for (const mode of [SIGNED_TRAILER, UNSIGNED_TRAILER] as const) {
    const ask = async (trailer: string) => {
      const { code, bytes } = await send(upload({ mode, body: small, trailer }));
      t.ok(code === 'accepted' || bytes.length < small.length);
      return code;
    };
    t.equal(await ask('x-amz-checksum-crc32:AAAAAA=='), 'BadDigest', 'C14');
    t.equal(await ask('x-amz-checksum-crc32:AAAA'), 'InvalidRequest', 'malformed');
    t.equal(await ask('x-amz-checksum-crc32:'), 'InvalidRequest', 'empty');
    t.equal(await ask(`x-amz-checksum-crc32c:${crc32(small)}`), 'MalformedTrailerError', 'C16');
    t.equal(await ask('x-amz-meta-a:b'), 'MalformedTrailerError', 'C16 something else');
    t.equal(await ask('nonsense'), 'MalformedTrailerError');
    t.equal(await ask(`x-amz-checksum-crc32:${'A'.repeat(2000)}`), 'MalformedTrailerError', 'C18');
  }
  const right = `x-amz-checksum-crc32:${crc32(small)}`;
  const twice = upload({ mode: UNSIGNED_TRAILER, body: small, trailer: `${right}\r\n${right}` });
  t.equal((await send(twice)).code, 'MalformedTrailerError', 'C15 twice');
  const framed = upload({ mode: UNSIGNED_TRAILER, body: small });
  t.equal((await send(replace(framed, `${right}\r\n`, ''))).code, 'MalformedTrailerError', 'C15 missing');
  t.equal((await send(replace(framed, `${right}\r\n`, `${right}\n\r\n`))).code, 'accepted', 'as minio-go writes it');
  t.equal((await send(replace(framed, /^28/, '28;'))).code, 'accepted', 'as the C SDK writes it');
});

t.test("C17 the trailer's signature: wrong, missing, before the trailer", async (t) => {
  const framed = upload({ mode: SIGNED_TRAILER, body: small });
  t.equal(
    (await send(replace(framed, /trailer-signature:\w{4}/, 'trailer-signature:0000'))).code,
    'SignatureDoesNotMatch',
  );
  t.equal((await send(replace(framed, /x-amz-trailer-signature:\w{64}\r\n/, ''))).code, 'MalformedTrailerError');
  t.equal((await send(replace(framed, /(x-amz-checksum\S+\r\n)/, ''))).code, 'MalformedTrailerError');
});

t.test('C19 signed chunks under the unsigned word, and the other way round', async (t) => {
  const signed = upload({ mode: SIGNED_TRAILER, body: small });
  const unsigned = upload({ mode: UNSIGNED_TRAILER, body: small });
  t.equal((await send({ request: unsigned.request, bytes: signed.bytes })).code, 'IncompleteBody');
  t.equal((await send({ request: signed.request, bytes: unsigned.bytes })).code, 'IncompleteBody');
});

t.test('C20 the framing is known by x-amz-content-sha256, whatever Content-Encoding says', async (t) => {
  for (const encoding of ['aws-chunked', 'gzip,aws-chunked', 'aws-chunked, gzip', 'gzip', '']) {
    const headers = { 'content-encoding': encoding };
    const { code, bytes, passed } = await send(upload({ mode: SIGNED, body: small, headers }));
    t.equal(code, 'accepted');
    t.ok(bytes.equals(small));
    t.equal(passed?.headers.get('content-encoding'), /gzip/.test(encoding) ? 'gzip' : encoding === '' ? '' : undefined);
  }
  const plain = signHeader(
    {
      method: 'PUT',
      target: '/bucket/key',
      headers: {
        host: HOST,
        'content-length': '4',
        'content-encoding': 'aws-chunked',
        'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      },
    },
    BY,
  );
  const { bytes, passed } = await send({ request: plain, bytes: Buffer.from('4\r\n!') });
  t.equal(bytes.toString(), '4\r\n!');
  t.notOk(passed?.headers.has('content-encoding'));
});

t.test("C22 C23 a checksum header beside a trailer, and an algorithm that is not the trailer's", async (t) => {
  const headers = { 'x-amz-checksum-crc32': crc32(small) };
  t.equal((await send(upload({ mode: UNSIGNED_TRAILER, body: small, headers }))).code, 'InvalidRequest');
  const said = { 'x-amz-sdk-checksum-algorithm': 'SHA1' };
  t.equal((await send(upload({ mode: UNSIGNED_TRAILER, body: small, headers: said }))).code, 'InvalidRequest');
  const announced = { 'x-amz-trailer': 'x-amz-meta-a' };
  t.equal((await send(upload({ mode: UNSIGNED_TRAILER, body: small, headers: announced }))).code, 'InvalidRequest');
});

t.test('C25 a flood of tiny chunks ends at the second', async (t) => {
  const framed = upload({ mode: UNSIGNED_TRAILER, body: large, sizes: Array.from({ length: 30_000 }, () => 1) });
  t.equal((await send(framed)).code, 'InvalidChunkSizeError');
});

t.test('C26 a failure at the very end leaves the reader without the last chunk', async (t) => {
  const body = generatedBytes(200_000, 4);
  const framed = upload({
    mode: UNSIGNED_TRAILER,
    body,
    sizes: [65_536, 65_536, 65_536, 3392],
    trailer: 'x-amz-checksum-crc32:AAAAAA==',
  });
  const { code, bytes } = await send(framed, [50_000, 100_000, 150_000]);
  t.equal(code, 'BadDigest');
  t.ok(bytes.length < body.length);
  t.ok(bytes.equals(body.subarray(0, bytes.length)), 'what came is what was sent');
});

t.test('Content-MD5 and a literal hash are those of the decoded bytes', async (t) => {
  const { createHash } = await import('node:crypto');
  const headers = { 'content-md5': createHash('md5').update(small).digest('base64') };
  t.equal((await send(upload({ mode: SIGNED, body: small, headers }))).code, 'accepted');
  const wrong = { 'content-md5': createHash('md5').update(large).digest('base64') };
  t.equal((await send(upload({ mode: SIGNED, body: small, headers: wrong }))).code, 'BadDigest');
});
