import { createHash } from 'node:crypto';
import t from 'tap';
import { compose } from '../../../../src/s3/message.ts';
import { unescapeXml } from '../../../../src/s3/xml.ts';
import { md5Etags } from '../../../../src/upstream/emulate/md5-etags.ts';
import { generatedBytes, generatedStream } from '../../../support/generated.ts';
import { md5, type NarrowOptions, narrowService } from '../../../support/narrow-service.ts';
import { bytesOf, type RequestParts, s3Request, textOf } from '../../../support/s3-request.ts';

/** How storages spoil the MD5. */
const MANGLED = {
  'upper case': (bytes: Buffer) => md5(bytes).toUpperCase(),
  'another form': (bytes: Buffer) => `0x8D${md5(bytes).slice(0, 12).toUpperCase()}`,
  'of the same form': (bytes: Buffer) => md5(Buffer.concat([bytes, Buffer.from('salt')])),
};

function start(etagOf: (bytes: Buffer) => string, options: NarrowOptions = {}) {
  const service = narrowService({ etagOf, ...options });
  let handler = compose(service.handler, [md5Etags()]);
  return {
    service,
    restart: () => {
      handler = compose(service.handler, [md5Etags()]);
    },
    list: async () => textOf(await handler(s3Request({ method: 'GET', bucket: 'bucket' }))),
    ask: (parts: Partial<RequestParts>) => handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', ...parts })),
  };
}

const etagsIn = (text: string): string[] =>
  [...text.matchAll(/<ETag>([^<]*)</g)].map(([, raw = '']) => unescapeXml(raw) ?? '');

for (const [how, etagOf] of Object.entries(MANGLED)) {
  for (const size of [0, 1000, 1_048_576, 1_048_577]) {
    t.test(`R12 an object of ${size} bytes has its MD5 everywhere, where the storage's is ${how}`, async (t) => {
      const { ask, restart } = start(etagOf);
      const due = `"${md5(generatedBytes(size, 1))}"`;
      const check = async () => {
        t.equal((await ask({ method: 'HEAD' })).headers.get('etag'), due, 'HEAD');
        const got = await ask({ method: 'GET' });
        t.equal(got.headers.get('etag'), due, 'GET');
        t.ok((await bytesOf(got)).equals(generatedBytes(size, 1)));
      };
      t.equal((await ask({ body: generatedStream(size, 1), bodyLength: size })).headers.get('etag'), due, 'PUT');
      await check();
      if (size <= 1_048_576) {
        restart();
        await check();
      }
    });
  }

  t.test(`R13 the MD5 in conditions, in listings and in copies, where the storage's is ${how}`, async (t) => {
    const { ask, list, restart } = start(etagOf);
    const due = `"${md5(Buffer.from('x'))}"`;
    await ask({ body: 'x' });
    t.same(etagsIn(await list()), [due]);
    restart();
    // Nothing but the object's metadata can tell, and an ETag of this form is believed to be one.
    if (how !== 'of the same form') t.same(etagsIn(await list()), [due], 'after a restart');

    t.equal((await ask({ method: 'GET', headers: { 'if-match': due } })).status, 200);
    await t.rejects(ask({ method: 'GET', headers: { 'if-match': '"other"' } }), { code: 'PreconditionFailed' });
    await t.rejects(ask({ method: 'GET', headers: { 'if-none-match': due } }), { code: 'PreconditionFailed' });
    const source = { 'x-amz-copy-source': '/bucket/k' };
    await ask({ key: 'copy', headers: { ...source, 'x-amz-copy-source-if-match': due } });
    await t.rejects(ask({ key: 'copy', headers: { ...source, 'x-amz-copy-source-if-none-match': due } }));
    const copied = await ask({ key: 'copy', headers: source });
    t.same(etagsIn(await textOf(copied)), [due]);
    t.equal((await ask({ method: 'HEAD', key: 'copy' })).headers.get('etag'), due);
  });

  t.test(`R12 parts have their MD5, and Complete takes it, where the storage's is ${how}`, async (t) => {
    const { ask, restart, service } = start(etagOf);
    const parts = [1, 2, 3].map((seed) => generatedBytes(1000, seed));
    const upload = async () => {
      const created = await textOf(await ask({ method: 'POST', query: 'uploads' }));
      const id = /<UploadId>([^<]*)</.exec(created)?.[1];
      for (const [index, body] of parts.entries()) {
        const answer = await ask({ query: `partNumber=${index + 1}&uploadId=${id}`, body });
        t.equal(answer.headers.get('etag'), `"${md5(body)}"`);
      }
      return id;
    };
    const complete = (id: string | undefined, etags: readonly string[]) =>
      ask({
        method: 'POST',
        query: `uploadId=${id}`,
        body: `<CompleteMultipartUpload>${etags
          .map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
          .join('')}</CompleteMultipartUpload>`,
      });
    const due = parts.map((part) => `"${md5(part)}"`);

    const id = await upload();
    t.same(etagsIn(await textOf(await ask({ method: 'GET', query: `uploadId=${id}` }))), due.slice(0, 2));
    await t.rejects(complete(id, [due[1] ?? '', due[0] ?? '', due[2] ?? '']), { code: 'InvalidPart' });
    const [etag] = etagsIn(await textOf(await complete(id, due)));
    t.ok(service.objects.get('k')?.bytes.equals(Buffer.concat(parts)));
    t.equal((await ask({ method: 'HEAD' })).headers.get('etag'), etag);

    const after = await upload();
    restart();
    await complete(after, due);
    t.ok(service.objects.get('k')?.bytes.equals(Buffer.concat(parts)), 'by part numbers');
  });
}

t.test('a body that fails fails the upload with its own error', async (t) => {
  const { ask, service } = start(md5);
  const body = generatedStream(2_000_000, 1);
  const put = ask({ body, bodyLength: 2_000_000 });
  body.destroy(Object.assign(new Error('cut'), { code: 'CUT' }));
  await t.rejects(put, { code: 'CUT' });
  t.equal(service.objects.size, 0);
});

t.test('an MD5 that came with the request is kept however long the body', async (t) => {
  const { ask, restart } = start(MANGLED['another form']);
  const size = 3_000_000;
  const headers = { 'content-md5': createHash('md5').update(generatedBytes(size, 1)).digest('base64') };
  await ask({ body: generatedStream(size, 1), bodyLength: size, headers });
  restart();
  t.equal((await ask({ method: 'HEAD' })).headers.get('etag'), `"${md5(generatedBytes(size, 1))}"`);
});
