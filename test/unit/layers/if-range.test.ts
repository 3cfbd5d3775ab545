import t from 'tap';
import { ifRange } from '../../../src/layers/if-range.ts';
import { S3Error } from '../../../src/s3/error.ts';
import type { Handler } from '../../../src/s3/message.ts';
import { cacheVendor } from '../../support/cache-vendor.ts';
import { send } from '../../support/cached.ts';

t.test('a download goes on only in the object that it began in, whatever the storage knows of If-Range', async (t) => {
  const vendor = cacheVendor();
  // As a storage that has never heard of it.
  const ignorant: Handler = (request) => {
    t.notOk(request.headers.has('if-range'), 'no storage is asked');
    return vendor.handler(request);
  };
  const handler = ifRange()(ignorant);
  const { etag, lastModified } = vendor.put('key', 'the old object');
  const validators = [`"${etag}"`, lastModified.toUTCString()];
  for (const validator of validators) {
    const headers = { range: 'bytes=4-', 'if-range': validator };
    const answer = await send(handler, { key: 'key', headers });
    t.equal(answer.status, 206);
    t.equal(answer.bytes.toString(), 'old object');
  }
  const beyond = { range: 'bytes=100-', 'if-range': `"${etag}"` };
  t.equal((await send(handler, { key: 'key', headers: beyond })).code, 'InvalidRange');
  vendor.put('key', 'new');
  for (const validator of validators) {
    for (const range of ['bytes=1-', 'bytes=4-']) {
      const answer = await send(handler, { key: 'key', headers: { range, 'if-range': validator } });
      t.equal(answer.status, 200, `${range} of the new object is no part of the old one`);
      t.equal(answer.bytes.toString(), 'new');
    }
  }
  t.equal((await send(handler, { method: 'HEAD', key: 'key', headers: beyond })).status, 200);
  t.equal((await send(handler, { key: 'none', headers: beyond })).code, 'NoSuchKey');
});

t.test('other requests and failures pass as they are', async (t) => {
  const seen: string[] = [];
  const handler = ifRange()(async (request) => {
    seen.push([...request.headers.keys()].join());
    throw new S3Error('ServiceUnavailable');
  });
  t.equal((await send(handler, { key: 'key', headers: { range: 'bytes=0-1' } })).status, 503);
  t.equal((await send(handler, { key: 'key', headers: { range: 'bytes=0-1', 'if-range': '"e"' } })).status, 503);
  t.same(seen, ['range', 'range']);
});
