import t from 'tap';
import { buildCatalog, type CatalogInput } from '../../../src/route/catalog.ts';
import { memoryS3 } from '../../support/memory-s3.ts';
import { copySource, deleteDocument, queryOf, routed, texts, tokenKey } from '../../support/routed.ts';

/** Two tenants, each with a storage of its own, and one that both see. */
function setup() {
  const [shared, pay, ads] = [memoryS3('shared', ['open-data']), memoryS3('pay', ['logs']), memoryS3('ads', ['logs'])];
  shared.put('ci-artifacts', 'team-a/one', 'one');
  shared.put('ci-artifacts', 'team-b/secret', 'secret');
  shared.put('other-real', 'x', 'x');
  const rules = [
    { bucket: 'build-cache', prefix: 'team-a/', allow: ['read', 'list', 'write', 'delete'] as const },
    { bucket: 'artifacts-*', allow: ['read', 'list'] as const },
    { bucket: 'drop', prefix: 'in/', allow: ['write'] as const },
    { bucket: 'reader', allow: ['read'] as const },
  ];
  const input: CatalogInput = {
    credentials: [
      { name: 'root', accessKey: 'ROOT' },
      { name: 'pay', accessKey: 'PAY', project: 'payments', storage: 'pay' },
      { name: 'ads', accessKey: 'ADS', project: 'ads', storage: 'ads' },
      { name: 'ci', accessKey: 'CI', project: 'payments', access: rules },
      { name: 'none', accessKey: 'NONE', access: [] },
    ],
    storages: [
      { name: 'shared', handler: shared.handler, default: true, projects: 'all', dotSegments: 'refuse', tokenKey },
      {
        name: 'fixed',
        handler: shared.handler,
        bucket: 'fixed-real',
        prefix: 'zadig/',
        projects: 'all',
        dotSegments: 'allow',
        tokenKey,
      },
      { name: 'pay', handler: pay.handler, projects: ['payments'], dotSegments: 'refuse', tokenKey },
      { name: 'ads', handler: ads.handler, projects: ['ads'], dotSegments: 'refuse', tokenKey },
    ],
    buckets: [
      { name: 'build-cache', storage: 'shared', bucket: 'ci-artifacts' },
      { name: 'artifacts-1', storage: 'shared', bucket: 'other-real' },
      { name: 'drop', storage: 'shared', bucket: 'other-real', prefix: 'drop/' },
      { name: 'reader', storage: 'shared', bucket: 'other-real' },
      { name: 'public', storage: 'shared', bucket: 'other-real', anonymous: 'read' },
      { name: 'pay-alias', storage: 'pay', bucket: 'logs' },
      { name: 'both', storage: 'pay', bucket: 'logs', prefix: 'p/' },
      { name: 'both', storage: 'ads', bucket: 'logs', prefix: 'a/' },
    ],
  };
  shared.buckets.set('fixed-real', new Map());
  return { shared, pay, ads, input, router: routed(input) };
}

t.test('the four rules choose the storage, in their order', async (t) => {
  const { shared, pay, ads, input } = setup();
  const catalog = buildCatalog(input);
  const place = (accessKey: string, bucket: string) => {
    const caller = catalog.caller({ name: '', accessKey });
    const target = caller && catalog.target(caller, bucket);
    return target && `${target.rule} ${target.storage} ${target.bucket} ${target.prefix}`;
  };
  t.equal(place('PAY', 'build-cache'), 'entry shared ci-artifacts ');
  t.equal(place('PAY', 'fixed-real'), 'storage-bucket fixed fixed-real zadig/');
  t.equal(place('PAY', 'logs'), 'default pay logs ', "the caller's own default");
  t.equal(place('ADS', 'logs'), 'default ads logs ');
  t.equal(place('CI', 'logs'), 'default shared logs ', 'the marked default');
  t.equal(place('PAY', 'both'), 'entry pay logs p/');
  t.equal(place('ADS', 'both'), 'entry ads logs a/');
  t.equal(place('ADS', 'pay-alias'), 'default ads pay-alias ', 'what a project does not see is not there');
  t.equal(place('ROOT', 'pay-alias'), 'default shared pay-alias ');
  t.equal(catalog.caller({ name: 'root', accessKey: 'GONE' }), undefined);
  t.same([shared.seen, pay.seen, ads.seen].flat(), []);
});

t.test('a storage prefix goes before the prefix of an entry', async (t) => {
  const { input } = setup();
  const entry = { name: 'inner', storage: 'fixed', prefix: 'cache/' };
  const catalog = buildCatalog({ ...input, buckets: [entry] });
  const caller = catalog.caller({ name: 'root', accessKey: 'ROOT' });
  t.match(caller && catalog.target(caller, 'inner'), { bucket: 'fixed-real', prefix: 'zadig/cache/' });
});

t.test('what cannot be reached looks the same whether it exists or not', async (t) => {
  const { input } = setup();
  const storages = input.storages.map((storage) => ({ ...storage, default: false }));
  const strict = routed({ ...input, storages });
  const missing = { method: 'GET', bucket: 'no-such-bucket', key: 'k' };
  const hidden = { method: 'GET', bucket: 'pay-alias', key: 'k' };
  t.same(await strict.as('root')(missing), await strict.as('root')(hidden), 'S33');
  t.equal((await strict.as('root')(hidden)).code, 'AccessDenied');
  const open = routed({ ...input, storages: storages.map((storage) => ({ ...storage, projects: 'all' })) });
  t.equal((await open.as('root')(missing)).code, 'NoSuchBucket', 'nothing is hidden from this caller');
  for (const bucket of ['pay-alias', 'no-such-bucket', 'fixed-real']) {
    t.equal((await strict.as('ci')({ method: 'GET', bucket, key: 'k' })).code, 'AccessDenied', bucket);
  }
  t.equal((await strict.as('nobody')(missing)).code, 'AccessDenied');
  t.equal((await strict.as('none')({ method: 'GET', bucket: 'build-cache', key: 'team-a/one' })).code, 'AccessDenied');
});

t.test('two tenants with overlapping names never meet', async (t) => {
  const { pay, ads, router } = setup();
  for (const name of ['pay', 'ads']) {
    for (const bucket of ['logs', 'both']) await router.as(name)({ method: 'PUT', bucket, key: 'k', body: name });
  }
  for (const name of ['pay', 'ads']) {
    for (const bucket of ['logs', 'both'])
      t.equal((await router.as(name)({ method: 'GET', bucket, key: 'k' })).text, name);
  }
  t.same([...(pay.buckets.get('logs')?.keys() ?? [])], ['k', 'p/k']);
  t.same([...(ads.buckets.get('logs')?.keys() ?? [])], ['k', 'a/k']);
});

t.test('a scoped credential can do what its rules say, and nothing else', async (t) => {
  const { shared, router } = setup();
  const ci = router.as('ci');
  const id = queryOf({ uploadId: 'x' });
  const copy = (bucket: string, key: string) => ({ headers: { 'x-amz-copy-source': copySource(bucket, key) } });
  const allowed: Parameters<typeof ci>[0][] = [
    { method: 'GET', bucket: 'build-cache', key: 'team-a/one' },
    { method: 'PUT', bucket: 'build-cache', key: 'team-a/two', body: 'x' },
    { method: 'PUT', bucket: 'build-cache', key: 'team-a/three', ...copy('build-cache', 'team-a/one') },
    { method: 'PUT', bucket: 'build-cache', key: 'team-a/four', ...copy('artifacts-1', 'x') },
    { method: 'DELETE', bucket: 'build-cache', key: 'team-a/two' },
    { method: 'POST', bucket: 'build-cache', key: 'team-a/big', query: 'uploads' },
    { method: 'GET', bucket: 'build-cache', query: 'prefix=team-a/' },
    { method: 'GET', bucket: 'build-cache', query: 'list-type=2&prefix=team-a/sub&delimiter=/' },
    { method: 'GET', bucket: 'build-cache', query: 'prefix=team-a/&marker=team-a/k' },
    { method: 'GET', bucket: 'build-cache', query: 'uploads&prefix=team-a/' },
    { method: 'GET', bucket: 'build-cache', query: 'versions&prefix=team-a/' },
    { method: 'HEAD', bucket: 'build-cache' },
    { method: 'HEAD', bucket: 'drop' },
    { method: 'GET', bucket: 'build-cache', query: 'location' },
    { method: 'GET', bucket: 'artifacts-1' },
    { method: 'GET', bucket: 'artifacts-1', key: 'x' },
    { method: 'PUT', bucket: 'drop', key: 'in/x', body: 'x' },
    { method: 'GET', bucket: 'reader', key: 'x' },
  ];
  for (const parts of allowed) t.match((await ci(parts)).status, /^20/, JSON.stringify(parts));
  const seen = shared.seen.length;
  const denied: Parameters<typeof ci>[0][] = [
    { method: 'GET', bucket: 'build-cache', key: 'team-b/secret' },
    { method: 'HEAD', bucket: 'build-cache', key: 'team-b/secret' },
    { method: 'GET', bucket: 'build-cache', key: 'team-a' },
    { method: 'GET', bucket: 'build-cache', key: 'team-b/secret', query: 'tagging' },
    { method: 'PUT', bucket: 'build-cache', key: 'team-b/x', body: 'x' },
    { method: 'PUT', bucket: 'build-cache', key: 'team-a/x', ...copy('build-cache', 'team-b/secret') },
    { method: 'PUT', bucket: 'build-cache', key: 'team-a/x', ...copy('ci-artifacts', 'team-a/one') },
    {
      method: 'PUT',
      bucket: 'build-cache',
      key: 'team-a/x',
      query: `partNumber=1&${id}`,
      ...copy('build-cache', 'team-b/secret'),
    },
    { method: 'PUT', bucket: 'build-cache', key: 'team-a/x', ...copy('drop', 'in/x') },
    { method: 'DELETE', bucket: 'build-cache', key: 'team-b/secret' },
    { method: 'POST', bucket: 'build-cache', key: 'team-b/big', query: 'uploads' },
    ...[
      '',
      'prefix=',
      'prefix=te',
      'prefix=team-a',
      'prefix=team-b/',
      'prefix=team-a/&marker=team-b/',
      'delimiter=/',
    ].flatMap((query) => [
      { method: 'GET', bucket: 'build-cache', query },
      { method: 'GET', bucket: 'build-cache', query: `versions&${query.replace('marker', 'key-marker')}` },
      { method: 'GET', bucket: 'build-cache', query: `uploads&${query.replace('marker', 'key-marker')}` },
      { method: 'GET', bucket: 'build-cache', query: `list-type=2&${query.replace('marker', 'start-after')}` },
    ]),
    { method: 'PUT', bucket: 'artifacts-1', key: 'x', body: 'x' },
    { method: 'DELETE', bucket: 'artifacts-1', key: 'x' },
    { method: 'GET', bucket: 'drop', key: 'in/x' },
    { method: 'GET', bucket: 'drop', query: 'prefix=in/' },
    { method: 'GET', bucket: 'reader' },
    { method: 'GET', bucket: 'reader', query: 'acl' },
    { method: 'GET', bucket: 'ci-artifacts', key: 'team-a/one' },
    { method: 'GET', bucket: 'open-data' },
    { method: 'PUT', bucket: 'build-cache' },
    { method: 'PUT', bucket: 'artifacts-2' },
    { method: 'DELETE', bucket: 'build-cache' },
    { method: 'GET', bucket: 'build-cache', query: 'policy' },
    { method: 'PUT', bucket: 'build-cache', query: 'lifecycle', body: '<x/>' },
    { method: 'PUT', bucket: 'build-cache', key: 'team-a/one', query: 'acl' },
  ];
  for (const parts of denied) t.equal((await ci(parts)).code, 'AccessDenied', JSON.stringify(parts));
  t.equal((await ci({ method: 'GET', bucket: 'build-cache', query: 'metrics' })).code, 'NotImplemented');
  t.equal(shared.seen.length, seen, 'the backend saw nothing of it');
});

t.test('S16 DeleteObjects answers each key, and a refused one never leaves', async (t) => {
  const { shared, router } = setup();
  const ci = router.as('ci');
  for (const isQuiet of [false, true]) {
    shared.put('ci-artifacts', 'team-a/x&y');
    const body = deleteDocument(['team-a/x&y', 'team-b/secret', 'team-a'], isQuiet);
    const answer = await ci({ method: 'POST', bucket: 'build-cache', query: 'delete', body });
    t.equal(answer.status, 200);
    t.same(texts(answer.text, 'Code'), ['AccessDenied', 'AccessDenied']);
    t.same(
      texts(answer.text, 'Key').sort(),
      isQuiet ? ['team-a', 'team-b/secret'] : ['team-a', 'team-a/x&amp;y', 'team-b/secret'],
    );
    t.notOk(shared.buckets.get('ci-artifacts')?.has('team-a/x&y'));
  }
  t.ok(shared.buckets.get('ci-artifacts')?.has('team-b/secret'));
  const seen = shared.seen.length;
  const answer = await ci({
    method: 'POST',
    bucket: 'build-cache',
    query: 'delete',
    body: deleteDocument(['team-b/secret']),
  });
  t.same(texts(answer.text, 'Code'), ['AccessDenied']);
  t.equal(shared.seen.length, seen);
  for (const body of [
    '',
    '<Delete/>',
    '<Delete><Object><Key></Key></Object></Delete>',
    deleteDocument(['a']).slice(0, -4),
    deleteDocument(['a']).replace('<Object>', '<Quiet>perhaps</Quiet><Object>'),
  ]) {
    t.equal((await ci({ method: 'POST', bucket: 'build-cache', query: 'delete', body })).code, 'MalformedXML', body);
  }
});

t.test('R8 more than 1,000 keys go in several documents, and come back in one', async (t) => {
  const { shared, router } = setup();
  const keys = Array.from({ length: 2500 }, (_, index) => `many/${index}`);
  for (const key of keys) shared.put('ci-artifacts', key);
  const answer = await router.as('root')({
    method: 'POST',
    bucket: 'build-cache',
    query: 'delete',
    body: deleteDocument(keys),
  });
  t.same(texts(answer.text, 'Key'), keys);
  t.equal(shared.seen.length, 3);
  t.same([...(shared.buckets.get('ci-artifacts')?.keys() ?? [])], ['team-a/one', 'team-b/secret']);
});

t.test('nobody reads but where anonymous: read is set, and nothing but objects', async (t) => {
  const { shared, router } = setup();
  const nobody = router.as('nobody');
  t.equal((await nobody({ method: 'GET', bucket: 'public', key: 'x' })).text, 'x');
  t.equal((await nobody({ method: 'HEAD', bucket: 'public', key: 'x' })).status, 200);
  const seen = shared.seen.length;
  for (const parts of [
    { method: 'GET' },
    { method: 'GET', bucket: 'public' },
    { method: 'HEAD', bucket: 'public' },
    { method: 'GET', bucket: 'public', key: 'x', query: 'tagging' },
    { method: 'PUT', bucket: 'public', key: 'x', body: 'x' },
    { method: 'DELETE', bucket: 'public', key: 'x' },
    { method: 'GET', bucket: 'reader', key: 'x' },
    { method: 'GET', bucket: 'other-real', key: 'x' },
    { method: 'GET', bucket: 'no-such-bucket', key: 'x' },
  ]) {
    t.equal((await nobody(parts)).code, 'AccessDenied', JSON.stringify(parts));
  }
  t.equal(shared.seen.length, seen);
});

t.test('of two buckets with one name, nobody reads the one that is open to all', async (t) => {
  const { input, pay, ads } = setup();
  for (const storage of [pay, ads]) storage.put('logs', 'k', storage === ads ? 'open' : 'closed');
  const buckets = [
    { name: 'notes', storage: 'pay', bucket: 'logs' },
    { name: 'notes', storage: 'ads', bucket: 'logs', anonymous: 'read' as const },
  ];
  const router = routed({ ...input, buckets });
  t.equal((await router.as('nobody')({ method: 'GET', bucket: 'notes', key: 'k' })).text, 'open');
  t.equal((await router.as('pay')({ method: 'GET', bucket: 'notes', key: 'k' })).text, 'closed');
});

t.test('S27 ListBuckets shows what the caller reaches', async (t) => {
  const { router } = setup();
  const names = async (name: string, query = '') =>
    texts((await router.as(name)({ method: 'GET', query })).text, 'Name');
  const entries = ['artifacts-1', 'build-cache', 'drop', 'fixed-real', 'public', 'reader'];
  t.same(await names('root'), [...entries, 'ci-artifacts', 'open-data', 'other-real'].sort());
  t.same(await names('pay'), [...entries, 'both', 'logs', 'pay-alias'].sort());
  t.same(await names('ads'), [...entries, 'both', 'logs'].sort());
  t.same(await names('ci'), ['artifacts-1', 'build-cache', 'drop', 'reader']);
  t.same(await names('none'), []);
  t.same(await names('root', 'prefix=b'), ['build-cache']);
  const page = await router.as('ci')({ method: 'GET', query: 'max-buckets=3' });
  t.same(texts(page.text, 'Name'), ['artifacts-1', 'build-cache', 'drop']);
  const [token = ''] = texts(page.text, 'ContinuationToken');
  t.same(await names('ci', queryOf({ 'continuation-token': token })), ['reader']);
  t.notMatch(page.all, /canary/, 'E04');
  t.equal((await router.as('ci')({ method: 'GET', query: 'max-buckets=0' })).code, 'InvalidArgument');
});

t.test('buckets come and go on the default storage only', async (t) => {
  const { pay, router } = setup();
  const caller = router.as('pay');
  const made = await caller({ method: 'PUT', bucket: 'new-bucket' });
  t.equal(made.status, 200);
  t.equal(made.headers.get('location'), '/new-bucket', 'E06');
  t.ok(pay.buckets.has('new-bucket'));
  t.equal((await caller({ method: 'DELETE', bucket: 'new-bucket' })).status, 204);
  t.notOk(pay.buckets.has('new-bucket'));
  for (const bucket of ['pay-alias', 'fixed-real']) {
    t.equal((await caller({ method: 'PUT', bucket })).code, 'BucketAlreadyOwnedByYou');
    t.equal((await caller({ method: 'DELETE', bucket })).code, 'AccessDenied');
  }
  pay.buckets.delete('logs');
  t.equal((await caller({ method: 'PUT', bucket: 'pay-alias' })).headers.get('location'), '/pay-alias');
  t.ok(pay.buckets.has('logs'), 'a named bucket is made where the storage does not have it yet');
});

t.test('S17 S36 requests that two servers would read differently are refused', async (t) => {
  const { shared, router } = setup();
  const root = router.as('root');
  for (const query of ['prefix=a&prefix=b', 'list-type=2&start-after=a&start-after=', 'uploadId=1&uploadId=2']) {
    t.equal((await root({ method: 'GET', bucket: 'build-cache', query })).code, 'InvalidArgument', query);
  }
  const unpack = { 'x-amz-meta-snowball-auto-extract': 'true' };
  t.equal(
    (await root({ method: 'PUT', bucket: 'build-cache', key: 'a.tar', headers: unpack, body: 'x' })).code,
    'NotImplemented',
  );
  t.equal((await root({ method: 'POST' })).code, 'MethodNotAllowed');
  const stray = { 'x-amz-copy-source': copySource('pay-alias', 'k') };
  await root({ method: 'POST', bucket: 'build-cache', key: 'k', query: 'uploads', headers: stray });
  t.equal(shared.seen.length, 1);
  t.notOk(shared.seen[0]?.headers.has('x-amz-copy-source'));
});

t.test('dot segments pass where the storage keeps them, within the prefix', async (t) => {
  const { shared, router } = setup();
  const put = await router.as('root')({ method: 'PUT', bucket: 'fixed-real', key: '../x', body: 'x' });
  t.equal(put.status, 200);
  t.ok(shared.buckets.get('fixed-real')?.has('zadig/../x'));
});
