import t from 'tap';
import { hasDotSegment, isBucketName, parseAddress } from '../../../src/s3/address.ts';

const DOMAINS = ['localhost', 's3.office.example'];

t.test('finds bucket and key in path and Host', async (t) => {
  const cases: readonly (readonly [
    host: string,
    path: string,
    bucket?: string,
    key?: string | undefined,
    style?: string,
  ])[] = [
    ['127.0.0.1:9000', '/'],
    ['127.0.0.1:9000', '/bkt', 'bkt'],
    ['127.0.0.1:9000', '/bkt/', 'bkt'],
    ['127.0.0.1:9000', '/bkt/a/b', 'bkt', 'a/b'],
    ['127.0.0.1:9000', '/bkt//a', 'bkt', '/a'],
    ['127.0.0.1:9000', '/bkt/a//', 'bkt', 'a//'],
    ['127.0.0.1:9000', '/bkt/a%2Fb', 'bkt', 'a/b'],
    ['127.0.0.1:9000', '/bkt/a+b', 'bkt', 'a+b'],
    ['127.0.0.1:9000', '/bkt/%E6%B5%8B', 'bkt', '测'],
    ['bkt.localhost:9000', '/', 'bkt', undefined, 'virtual'],
    ['bkt.localhost:9000', '/bkt/k', 'bkt', 'bkt/k', 'virtual'],
    ['a.b.S3.Office.Example', '/k', 'a.b', 'k', 'virtual'],
    ['localhost:9000', '/bkt/k', 'bkt', 'k'],
    ['xlocalhost', '/bkt/k', 'bkt', 'k'],
    ['s3.office.example.evil', '/bkt/k', 'bkt', 'k'],
  ];
  for (const [host, path, bucket, key, style = 'path'] of cases) {
    t.strictSame(parseAddress(host, path, DOMAINS), { bucket, key, addressing: style }, `${host} ${path}`);
  }
});

t.test('refuses what S3 refuses', async (t) => {
  const cases = [
    ['/b', 'InvalidBucketName'],
    ['/..', 'InvalidBucketName'],
    ['/bkt%2Fother/key', 'InvalidBucketName'],
    ['/192.168.1.1/k', 'InvalidBucketName'],
    ['//bkt/k', 'InvalidBucketName'],
    ['/bkt/%', 'InvalidURI'],
    ['/bkt/%zz', 'InvalidURI'],
    ['/bkt/%ff', 'InvalidURI'],
    ['/bkt/%00', 'InvalidURI'],
    [`/bkt/${'k'.repeat(1025)}`, 'KeyTooLongError'],
    [`/bkt/${'%C3%A9'.repeat(513)}`, 'KeyTooLongError'],
  ] as const;
  for (const [path, code] of cases) {
    t.throws(() => parseAddress('127.0.0.1', path, DOMAINS), { code }, path.slice(0, 30));
  }
  t.equal(parseAddress('127.0.0.1', `/bkt/${'%C3%A9'.repeat(512)}`, DOMAINS).key?.length, 512);
});

t.test('knows dot segments, however they are separated (S01, S02, S08)', async (t) => {
  for (const key of ['..', '.', '../a', 'a/..', 'a/../b', 'a/./b', './a', 'a\\..\\b']) t.ok(hasDotSegment(key), key);
  for (const key of ['...', 'a..b', '.a', 'a.', 'a/.b/c', 'a/b..', '..a/b']) t.notOk(hasDotSegment(key), key);
});

t.test('judges bucket names', async (t) => {
  for (const name of ['abc', 'a.b.c', 'score.data.0', 'with_underscore', 'UPPER', 'a'.repeat(63)])
    t.ok(isBucketName(name), name);
  for (const name of ['ab', 'a'.repeat(64), '-ab', 'ab-', 'a..b', '10.0.0.1', 'a/b', 'a b', 'é-b']) {
    t.notOk(isBucketName(name), name);
  }
});
