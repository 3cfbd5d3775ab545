import t from 'tap';
import type { UploadName } from '../../../src/cleanup/place.ts';
import { beginReport, type Report, totals } from '../../../src/cleanup/report.ts';
import { type SweepOptions, sweep } from '../../../src/cleanup/sweep.ts';
import { S3Error } from '../../../src/s3/error.ts';
import { recordingLog } from '../../support/log.ts';
import { type KeptUpload, tidy, type UploadKeeper, uploadKeeper } from '../../support/open-uploads.ts';

/** The keeper's clock says 2026-11-20T03:00:00Z. */
const DAY = 86_400_000;
const OLD = '2026-11-10T00:00:00Z';
const NEW = '2026-11-19T00:00:00Z';

let count = 0;
const upload = (key: string, more: Partial<KeptUpload> = {}): KeptUpload => ({
  bucket: 'bucket',
  key,
  id: `id-${count++}`,
  initiated: OLD,
  parts: [],
  ...more,
});

async function run(
  keeper: UploadKeeper,
  options: Partial<SweepOptions> & { readonly isDryRun?: boolean } = {},
): Promise<Report & { readonly lines: readonly string[] }> {
  const log = recordingLog();
  const report = beginReport(new Date(0), options.isDryRun ?? false);
  const settings = {
    storages: [tidy(keeper, [['bucket', '']])],
    age: 6 * DAY,
    isInUse: () => false,
    log,
    signal: new AbortController().signal,
    ...options,
  };
  await sweep(settings, report);
  return { ...report, lines: log.lines };
}

const left = ({ uploads }: UploadKeeper): string[] => uploads.map(({ key }) => key);

t.test('ZS-R27 D20 removes uploads that nobody goes on with, through all pages, and no younger one', async (t) => {
  const keeper = uploadKeeper([
    ...Array.from({ length: 7 }, (_, index) => upload(`same key`, { id: `${index}` })),
    upload('new', { initiated: NEW }),
    upload('at the limit', { initiated: '2026-11-14T03:00:00.000Z' }),
    upload('past the limit', { initiated: '2026-11-14T02:59:59.999Z' }),
    upload('ünïcode + &<>"%2F\u{1f600}'),
  ]);
  const report = await run(keeper);
  t.same(left(keeper), ['new', 'at the limit']);
  t.match(totals(report), { uploads: 11, aborted: 9, errors: 0 });
  t.match(report.removed[0], { storage: 'kept', bucket: 'bucket', key: 'same key', lastActivity: new Date(OLD) });
  t.notMatch(report.lines.join(''), 'same key', 'no key in the log');
});

t.test('ZS-R27 an upload whose parts go on arriving is kept, however long ago it began', async (t) => {
  const keeper = uploadKeeper([
    upload('over days', { parts: [OLD, OLD, OLD, OLD, NEW] }),
    upload('a part sent again', { parts: [NEW, OLD, OLD] }),
    upload('given up', { parts: [OLD, '2026-11-12T00:00:00Z', OLD] }),
  ]);
  const report = await run(keeper);
  t.same(left(keeper), ['over days', 'a part sent again']);
  t.same(report.removed[0]?.lastActivity, new Date('2026-11-12T00:00:00Z'));
});

t.test('ZS-R27 an upload that a request is at work on is kept', async (t) => {
  const keeper = uploadKeeper([upload('busy'), upload('idle')]);
  const asked: UploadName[] = [];
  await run(keeper, {
    isInUse: (name) => {
      asked.push(name);
      return name.key === 'busy';
    },
  });
  t.same(left(keeper), ['busy']);
  t.match(asked[0], { address: 'http://kept.example', bucket: 'bucket', key: 'busy', uploadId: /^id-/ });
});

t.test('ZS-R27 the clock is the storage’s, and what does not say when it began is kept', async (t) => {
  const keeper = uploadKeeper([
    upload('no date', { initiated: undefined }),
    upload('broken date', { initiated: 'yesterday' }),
    upload('a part without one', { parts: ['sometime'] }),
    upload('old'),
  ]);
  const early = tidy(keeper, [['bucket', '']], { clock: () => new Date('2026-11-15T00:00:00Z') });
  t.equal(totals(await run(keeper, { storages: [early] })).aborted, 0, 'by a clock that is behind ours');
  t.same(totals(await run(keeper)), { uploads: 4, aborted: 1, probes: 0, errors: 1 });
  t.same(left(keeper), ['no date', 'broken date', 'a part without one']);
});

t.test('ZS-R27 nothing outside of the places is asked for or touched', async (t) => {
  const keeper = uploadKeeper([
    upload('team-a/mine'),
    upload('team-b/other'),
    upload('team-a', { id: 'shorter' }),
    upload('elsewhere', { bucket: 'foreign' }),
  ]);
  // A service that takes no notice of prefixes.
  const { handler } = keeper;
  const storages = [
    tidy(keeper, [['bucket', 'team-a/']], {
      handler: (request) => handler({ ...request, query: request.query.without((name) => name === 'prefix') }),
    }),
  ];
  await run(keeper, { storages });
  t.same(left(keeper), ['team-b/other', 'team-a', 'elsewhere']);
  t.ok(keeper.seen.every(({ bucket }) => bucket === 'bucket'));
});

t.test('ZS-R27 what fails is logged and counted, and the rest is done', async (t) => {
  const keeper = uploadKeeper([upload('one'), upload('two'), upload('three'), upload('four')]);
  const broken = uploadKeeper();
  broken.before = () => {
    throw new S3Error('AccessDenied');
  };
  keeper.before = ({ operation, key }) => {
    if (operation === 'AbortMultipartUpload' && key === 'two') throw new S3Error('ServiceUnavailable');
    // Somebody else was quicker.
    if (operation === 'AbortMultipartUpload' && key === 'three') throw new S3Error('NoSuchUpload');
  };
  const noBuckets = tidy(broken, [], { name: 'no buckets', places: () => Promise.reject(new S3Error('AccessDenied')) });
  const absent = uploadKeeper();
  absent.before = () => {
    throw new S3Error('NoSuchBucket');
  };
  const report = await run(keeper, {
    storages: [
      tidy(broken, [['bucket', '']], { name: 'broken' }),
      noBuckets,
      tidy(absent, [['bucket', '']], { name: 'absent' }),
      tidy(keeper, [['bucket', '']]),
    ],
  });
  t.same(left(keeper), ['two', 'three']);
  t.match(Object.fromEntries(report.storages), {
    broken: { errors: 2 },
    'no buckets': { errors: 1 },
    absent: { errors: 0 },
    kept: { errors: 1, aborted: 2 },
  });
  t.match(report.lines.join('\n'), /"storage":"kept".*an upload cannot be removed/);
});

t.test('ZS-R27 a dry run looks and tells, and removes nothing', async (t) => {
  const keeper = uploadKeeper([upload('old'), upload('new', { initiated: NEW })]);
  keeper.objects.set('bucket/sluice-check-0123456789ab/object', OLD);
  const report = await run(keeper, { isDryRun: true });
  t.match(totals(report), { uploads: 2, aborted: 1, probes: 1 });
  t.match(report.removed, [{ key: 'old' }]);
  t.ok(keeper.seen.every(({ method }) => method === 'GET'));
});

t.test('ZS-R27 no more than four requests at once', async (t) => {
  const keeper = uploadKeeper(Array.from({ length: 20 }, (_, index) => upload(`${index}`)));
  let running = 0;
  let most = 0;
  const { handler } = keeper;
  const counted: typeof handler = async (request) => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    return handler(request).finally(() => running--);
  };
  await run(keeper, { storages: [tidy(keeper, [['bucket', '']], { handler: counted })] });
  t.same(left(keeper), []);
  t.ok(most > 1 && most <= 4, `${most}`);
});

t.test('ZS-R27 stopped, it ends at once, with no request under way, and blames no storage', async (t) => {
  const keeper = uploadKeeper(Array.from({ length: 10 }, (_, index) => upload(`${index}`)));
  const stop = new AbortController();
  let running = 0;
  keeper.before = async ({ operation, signal }) => {
    if (operation !== 'ListParts') return;
    running++;
    if (running === 2) stop.abort(new Error('stopped'));
    else await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  const report = beginReport(new Date(0), false);
  const log = recordingLog();
  const storages = [tidy(keeper, [['bucket', '']])];
  const options = { storages, age: DAY, isInUse: () => false, log, signal: stop.signal };
  await t.rejects(sweep(options, report), { message: 'stopped' });
  t.match(totals(report), { aborted: 0, errors: 0 });
  t.equal(keeper.uploads.length, 10);
  t.same(log.lines, []);
  const before = keeper.seen.length;
  await new Promise(setImmediate);
  t.equal(keeper.seen.length, before);
});

t.test('ZS-R27 pages that lead nowhere end in an error, not in a loop', async (t) => {
  const keeper = uploadKeeper([upload('a'), upload('b'), upload('c')]);
  const { handler } = keeper;
  const storages = [
    tidy(keeper, [['bucket', '']], {
      handler: (request) => handler({ ...request, query: request.query.without((name) => name.endsWith('-marker')) }),
    }),
  ];
  const report = await run(keeper, { storages });
  t.equal(totals(report).errors, 1);
  t.match(report.lines.join(), 'uploads cannot be listed');
  t.ok(keeper.seen.length < 10);
});

t.test('removes what killed checks left, and nothing that only looks like it', async (t) => {
  const keeper = uploadKeeper();
  const kept = {
    'bucket/sluice-check-0123456789ab': OLD,
    'bucket/sluice-check-0123456789abc/object': OLD,
    'bucket/sluice-check-0123456789AB/object': OLD,
    'bucket/sluice-check-0123456789ac/object': NEW,
    'bucket/other/sluice-check-0123456789ab/object': OLD,
    'bucket/object': OLD,
  };
  for (const [name, modified] of Object.entries(kept)) keeper.objects.set(name, modified);
  keeper.objects.set('bucket/sluice-check-0123456789ab/object &+é', OLD);
  keeper.objects.set('sluice-check-0123456789ab/sluice-check-000000000000/object', OLD);
  keeper.buckets.set('sluice-check-0123456789ab', OLD);
  const storages = [
    tidy(keeper, [
      ['bucket', ''],
      ['sluice-check-0123456789ab', ''],
    ]),
  ];
  const report = await run(keeper, { storages });
  t.same([...keeper.objects.keys()].sort(), Object.keys(kept).sort());
  t.same([...keeper.buckets.keys()], []);
  t.equal(totals(report).probes, 2);
});
