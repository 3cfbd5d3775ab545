import t from 'tap';
import { childText, parseXml } from '../../../../src/s3/xml.ts';
import { uploadList } from '../../../../src/upstream/emulate/upload-list.ts';
import { narrowService } from '../../../support/narrow-service.ts';
import { s3Request, textOf } from '../../../support/s3-request.ts';

t.test('R14 uploads under way are listed where the service has no list of them', async (t) => {
  let time = 0;
  const service = narrowService();
  const handler = uploadList({ now: () => new Date(++time * 1000) })(service.handler);
  const create = async (key: string) =>
    childText(
      parseXml(
        Buffer.from(await textOf(await handler(s3Request({ method: 'POST', bucket: 'b', key, query: 'uploads' })))),
      ),
      'UploadId',
    );
  const list = async (query = '') => {
    const answer = await handler(s3Request({ method: 'GET', bucket: 'b', query: `uploads${query}` }));
    return parseXml(Buffer.from(await textOf(answer)), 'ListMultipartUploadsResult');
  };
  const keys = (root: Awaited<ReturnType<typeof list>>) =>
    root.children.filter(({ name }) => name === 'Upload').map((upload) => childText(upload, 'Key'));
  const first = await create('b&b');
  for (const key of ['a/1', 'a/2', 'b&b', 'c']) await create(key);
  t.same(keys(await list()), ['a/1', 'a/2', 'b&b', 'b&b', 'c']);
  t.same(keys(await list('&prefix=b')), ['b&b', 'b&b']);
  const grouped = await list('&delimiter=/&encoding-type=url');
  t.same(keys(grouped), ['b%26b', 'b%26b', 'c']);
  t.equal(grouped.children.filter(({ name }) => name === 'CommonPrefixes').length, 1);

  const page = await list('&max-uploads=3');
  t.match([childText(page, 'IsTruncated'), childText(page, 'NextKeyMarker')], ['true', 'b&b']);
  t.equal(childText(page, 'NextUploadIdMarker'), first, 'by the time they began');
  t.same(keys(await list(`&key-marker=b%26b&upload-id-marker=${first}`)), ['b&b', 'c']);
  t.same(keys(await list('&key-marker=b%26b')), ['c']);

  await handler(s3Request({ method: 'DELETE', bucket: 'b', key: 'b&b', query: `uploadId=${first}` }));
  t.same(keys(await list()), ['a/1', 'a/2', 'b&b', 'c']);
});
