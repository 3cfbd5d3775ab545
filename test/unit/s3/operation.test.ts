import t from 'tap';
import { OPERATIONS, resolveOperation } from '../../../src/s3/operation.ts';
import { Query } from '../../../src/s3/query.ts';

function operationOf(text: string, header?: string): string {
  const [method = '', target = ''] = text.split(' ');
  const [path = '', query = ''] = target.split('?');
  const [, bucket, key] = /^\/([^/]*)\/?(.*)$/.exec(path) ?? [];
  return resolveOperation({
    method,
    bucket: bucket || undefined,
    key: key || undefined,
    query: Query.parse(query),
    headers: new Map(header === undefined ? [] : [[header, 'x']]),
  });
}

t.test('names each operation from its place, query and headers', async (t) => {
  const cases: readonly (readonly [string, string, string?])[] = [
    ['GET /', 'ListBuckets'],
    ['GET /bkt', 'ListObjects'],
    ['GET /bkt?prefix=a&delimiter=%2F', 'ListObjects'],
    ['GET /bkt?list-type=2&prefix=a', 'ListObjectsV2'],
    ['GET /bkt?uploads&prefix=a', 'ListMultipartUploads'],
    ['POST /bkt?delete=', 'DeleteObjects'],
    ['POST /bkt', 'PostObject'],
    ['PUT /bkt/k', 'PutObject'],
    ['PUT /bkt/k?x-id=PutObject', 'PutObject'],
    ['PUT /bkt/k', 'CopyObject', 'x-amz-copy-source'],
    ['PUT /bkt/k?partNumber=1&uploadId=u', 'UploadPart'],
    ['PUT /bkt/k?partNumber=1&uploadId=u', 'UploadPartCopy', 'x-amz-copy-source'],
    ['GET /bkt/k?uploadId=u', 'ListParts'],
    ['GET /bkt/k?partNumber=2', 'GetObject'],
    ['HEAD /bkt/k?partNumber=2', 'HeadObject'],
    ['POST /bkt/k?uploads', 'CreateMultipartUpload'],
    ['POST /bkt/k?uploadId=u', 'CompleteMultipartUpload'],
    ['DELETE /bkt/k?uploadId=u', 'AbortMultipartUpload'],
  ];
  for (const [request, operation, header] of cases) t.equal(operationOf(request, header), operation, request);
});

t.test('never takes an unknown sub-resource for the plain operation (V07)', async (t) => {
  for (const request of [
    'PUT /bkt/k?retention&tagging',
    'PUT /bkt/k?partNumber=1',
    'GET /bkt?inventory',
    'PUT /bkt?website',
    'DELETE /bkt/k?retention',
    'PUT /bkt/k?renameObject',
    'POST /bkt/k',
  ]) {
    t.equal(operationOf(request), 'Unknown', request);
  }
});

t.test('can reach every row of the table', async (t) => {
  for (const [name, row] of Object.entries(OPERATIONS) as [
    string,
    { method: string; resource: string; query?: string[]; header?: string },
  ][]) {
    const path = { service: '/', bucket: '/bkt', object: '/bkt/k' }[row.resource];
    t.equal(operationOf(`${row.method} ${path}?${(row.query ?? []).join('&')}`, row.header), name);
  }
});
