/**
 * Signatures that AWS publishes on its S3 API pages: sig-v4-header-based-auth, sigv4-query-string-auth,
 * sigv4-streaming, sigv4-streaming-trailers, sigv4-post-example, RESTAuthentication.
 */
export const EXAMPLE_KEY = {
  accessKey: 'AKIAIOSFODNN7EXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
} as const;

export const EXAMPLE_HOST = 'examplebucket.s3.amazonaws.com';
export const EXAMPLE_TIME = '2013-05-24T00:00:00Z';
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export const V4_HEADER_VECTORS = [
  {
    name: 'GET object with Range',
    method: 'GET',
    target: '/test.txt',
    headers: { range: 'bytes=0-9', 'x-amz-content-sha256': EMPTY, 'x-amz-date': '20130524T000000Z' },
    body: '',
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  {
    name: 'PUT object',
    method: 'PUT',
    target: '/test%24file.text',
    headers: {
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
      'x-amz-date': '20130524T000000Z',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    },
    body: 'Welcome to Amazon S3.',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  {
    name: 'GET bucket lifecycle',
    method: 'GET',
    target: '/?lifecycle',
    headers: { 'x-amz-content-sha256': EMPTY, 'x-amz-date': '20130524T000000Z' },
    body: '',
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  {
    name: 'GET bucket (list objects)',
    method: 'GET',
    target: '/?max-keys=2&prefix=J',
    headers: { 'x-amz-content-sha256': EMPTY, 'x-amz-date': '20130524T000000Z' },
    body: '',
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
] as const;

export const V4_PRESIGNED_VECTOR = {
  target:
    '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host',
  signature: 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
} as const;

/** PUT s3.amazonaws.com/examplebucket/chunkObject.txt: 66,560 times `a` in chunks of 65,536 and 1,024. */
export const CHUNKED_VECTOR = {
  target: '/examplebucket/chunkObject.txt',
  host: 's3.amazonaws.com',
  headers: {
    'content-encoding': 'aws-chunked',
    'content-length': '66824',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'x-amz-date': '20130524T000000Z',
    'x-amz-decoded-content-length': '66560',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
  },
  seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
  chunks: [
    [65536, 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648'],
    [1024, '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497'],
    [0, 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9'],
  ],
} as const;

/** The same body with a trailer. */
export const TRAILER_VECTOR = {
  target: '/examplebucket/chunkObject.txt',
  host: 's3.amazonaws.com',
  headers: {
    'content-encoding': 'aws-chunked',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'x-amz-date': '20130524T000000Z',
    'x-amz-decoded-content-length': '66560',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'x-amz-trailer': 'x-amz-checksum-crc32c',
  },
  seed: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
  chunks: [
    [65536, 'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2'],
    [1024, '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7'],
    [0, '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992'],
  ],
  trailer: 'x-amz-checksum-crc32c:sOO8/Q==',
  trailerSignature: 'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435',
} as const;

const JOHNSMITH = 'johnsmith.s3.amazonaws.com';

/** RESTAuthentication. The DELETE has its time in the Date slot: the form with x-amz-date does not reproduce. */
export const V2_HEADER_VECTORS = [
  {
    name: 'object GET',
    method: 'GET',
    target: '/photos/puppy.jpg',
    headers: { host: JOHNSMITH, date: 'Tue, 27 Mar 2007 19:36:42 +0000' },
    signature: 'bWq2s1WEIj+Ydj0vQ697zp+IXMU=',
  },
  {
    name: 'object PUT',
    method: 'PUT',
    target: '/photos/puppy.jpg',
    headers: {
      'content-type': 'image/jpeg',
      'content-length': '94328',
      host: JOHNSMITH,
      date: 'Tue, 27 Mar 2007 21:15:45 +0000',
    },
    signature: 'MyyxeRY7whkBe+bq8fHCL/2kKUg=',
  },
  {
    name: 'list',
    method: 'GET',
    target: '/?prefix=photos&max-keys=50&marker=puppy',
    headers: { 'user-agent': 'Mozilla/5.0', host: JOHNSMITH, date: 'Tue, 27 Mar 2007 19:42:41 +0000' },
    signature: 'htDYFYduRNen8P9ZfE/s9SuKy0U=',
  },
  {
    name: 'fetch the ACL',
    method: 'GET',
    target: '/?acl',
    headers: { host: JOHNSMITH, date: 'Tue, 27 Mar 2007 19:44:46 +0000' },
    signature: 'c2WLPFtWHVgbEmeEG93a4cG37dM=',
  },
  {
    name: 'DELETE',
    method: 'DELETE',
    target: '/johnsmith/photos/puppy.jpg',
    headers: { 'user-agent': 'dotnet', host: 's3.amazonaws.com', date: 'Tue, 27 Mar 2007 21:20:26 +0000' },
    signature: 'lx3byBScXR6KzyMaifNkardMwNk=',
  },
  {
    name: 'upload with metadata',
    method: 'PUT',
    target: '/db-backup.dat.gz',
    headers: {
      'user-agent': 'curl/7.15.5',
      host: 'static.johnsmith.net:8080',
      date: 'Tue, 27 Mar 2007 21:06:08 +0000',
      'x-amz-acl': 'public-read',
      'content-type': 'application/x-download',
      'content-md5': '4gJE4saaMU4BqNR0kLY+lw==',
      'x-amz-meta-reviewedby': 'joe@johnsmith.net,jane@johnsmith.net',
      'x-amz-meta-filechecksum': '0x02661779',
      'x-amz-meta-checksumalgorithm': 'crc32',
      'content-disposition': 'attachment; filename=database.dat',
      'content-encoding': 'gzip',
      'content-length': '5913339',
    },
    signature: 'ilyl83RwaSoYIEdixDQcA4OnAnc=',
  },
  {
    name: 'list all my buckets',
    method: 'GET',
    target: '/',
    headers: { host: 's3.amazonaws.com', date: 'Wed, 28 Mar 2007 01:29:59 +0000' },
    signature: 'qGdzdERIC03wnaRNKh6OqZehG9s=',
  },
  {
    name: 'unicode key',
    method: 'GET',
    target: '/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re',
    headers: { host: 's3.amazonaws.com', date: 'Wed, 28 Mar 2007 01:49:49 +0000' },
    signature: 'DNEZGsoieTZ92F3bUfSPQcbGmlM=',
  },
] as const;

export const V2_QUERY_VECTOR = {
  target: '/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1175139620',
  host: JOHNSMITH,
  signature: 'NpgCjnDzrM+WFzoENXmpNDUsSn8=',
} as const;
