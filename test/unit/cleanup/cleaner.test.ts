import t from 'tap';
import { Cleaner, type CleanupPlan } from '../../../src/cleanup/cleaner.ts';
import { recordingLog } from '../../support/log.ts';
import { tidy, type UploadKeeper, uploadKeeper } from '../../support/open-uploads.ts';

const OLD = { bucket: 'bucket', key: 'old', id: 'id', initiated: '2020-01-01T00:00:00Z', parts: [] };
const MINUTE = 60_000;

/** A cleaner with a clock that only moves when it is told to. */
function start() {
  let time = new Date(2026, 10, 20, 2, 58).getTime();
  let timer: { readonly at: number; readonly run: () => void } | undefined;
  const log = recordingLog();
  const cleaner = new Cleaner({
    log,
    now: () => new Date(time),
    isInUse: () => false,
    after: (milliseconds, run) => {
      const set = { at: time + milliseconds, run };
      timer = set;
      return () => {
        if (timer === set) timer = undefined;
      };
    },
  });
  return {
    cleaner,
    log,
    /** Lets time pass, timer by timer. */
    pass: async (milliseconds: number) => {
      const end = time + milliseconds;
      while (timer !== undefined && timer.at <= end) {
        const { at, run } = timer;
        time = at;
        timer = undefined;
        run();
      }
      time = end;
      await cleaner.settled();
    },
    /** Sets the clock, as an administrator does, without a timer going off. */
    set: (date: Date) => {
      time = date.getTime();
    },
    hasTimer: () => timer !== undefined,
  };
}

/** What was begun has asked its first question by then: everything here is promises that are kept already. */
const asked = () => new Promise(setImmediate);

const plan = (keeper: UploadKeeper, more: Partial<CleanupPlan> = {}): CleanupPlan => ({
  schedule: '0 3 * * *',
  incompleteUploads: 6 * 86_400_000,
  storages: [tidy(keeper, [['bucket', '']])],
  ...more,
});

t.test('ZS-R27 runs when the schedule says so, and not before', async (t) => {
  const { cleaner, pass, log } = start();
  const keeper = uploadKeeper([OLD]);
  t.equal(cleaner.state(), undefined);
  await cleaner.follow(plan(keeper));
  t.match(cleaner.state(), { schedule: '0 3 * * *', next: new Date(2026, 10, 20, 3), last: undefined });
  await pass(2 * MINUTE - 1);
  t.equal(keeper.seen.length, 0);
  await pass(1);
  t.equal(keeper.uploads.length, 0);
  t.match(cleaner.state(), { next: new Date(2026, 10, 21, 3), last: { state: 'done' } });
  t.match(log.lines.at(-1), /"state":"done","dryRun":false,"ms":0,"uploads":1,"aborted":1,"probes":0,"errors":0/);
  t.match(cleaner.figures(), {
    runs: { done: 1 },
    lastEnd: new Date(2026, 10, 20, 3).getTime() / 1000,
    lastSeconds: 0,
  });
  t.same([...cleaner.figures().storages], [['kept', { aborted: 1, probes: 0, errors: 0 }]]);
  keeper.uploads.push(OLD);
  await pass(24 * 60 * MINUTE);
  t.equal(keeper.uploads.length, 0, 'and again the next night');
});

t.test('ZS-R27 notices within a minute that the clock was set', async (t) => {
  const { cleaner, pass, set } = start();
  const keeper = uploadKeeper([OLD]);
  await cleaner.follow(plan(keeper, { schedule: '0 12 * * *' }));
  set(new Date(2026, 10, 20, 13));
  await pass(MINUTE);
  t.equal(keeper.uploads.length, 0);
});

t.test('ZS-R27 one run at a time: what is due meanwhile, or asked for, is not begun', async (t) => {
  const { cleaner, pass, log } = start();
  const keeper = uploadKeeper([OLD]);
  let go: () => void = () => {};
  keeper.before = () =>
    new Promise((resolve) => {
      go = resolve;
    });
  await cleaner.follow(plan(keeper, { schedule: '* * * * *' }));
  t.match(cleaner.start({ isDryRun: true }), { state: 'running', isDryRun: true });
  t.equal(cleaner.start(), undefined);
  void pass(MINUTE);
  t.match(log.lines.at(-1), 'still under way');
  await asked();
  t.equal(keeper.seen.length, 1);
  keeper.before = () => undefined;
  go();
  await cleaner.settled();
  t.equal(keeper.uploads.length, 1, 'it was a dry run');
  t.same(cleaner.figures().runs, { done: 0, failed: 0, stopped: 0 }, 'which is not counted');
  t.match(cleaner.state()?.last, { state: 'done', isDryRun: true });
});

t.test('ZS-R27 a new plan takes the place of the old one, and stops its run', async (t) => {
  const { cleaner, pass, hasTimer } = start();
  const [first, second] = [uploadKeeper([OLD]), uploadKeeper([OLD])];
  first.before = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  await cleaner.follow(plan(first));
  void pass(2 * MINUTE);
  await asked();
  t.equal(first.seen.length, 1);
  await cleaner.follow(plan(second, { schedule: '5 3 * * *' }));
  t.match(cleaner.state(), { last: { state: 'stopped' }, next: new Date(2026, 10, 20, 3, 5) });
  t.match(cleaner.figures().runs, { stopped: 1, failed: 0 });
  await pass(5 * MINUTE);
  t.equal(second.uploads.length, 0);
  t.equal(first.seen.length, 1, 'the old storages are not asked any more');
  await cleaner.follow(undefined);
  t.notOk(hasTimer());
  t.equal(cleaner.state(), undefined);
  t.equal(cleaner.start(), undefined);
});

t.test('ZS-R27 of plans that come at once the last counts', async (t) => {
  const { cleaner, pass } = start();
  const [first, second] = [uploadKeeper([OLD]), uploadKeeper([OLD])];
  await Promise.all([cleaner.follow(plan(first)), cleaner.follow(plan(second))]);
  await pass(2 * MINUTE);
  t.equal(first.seen.length, 0);
  t.equal(second.uploads.length, 0);
});

t.test('ZS-R27 a run with errors is told apart, and the next one comes all the same', async (t) => {
  const { cleaner, pass, log } = start();
  const keeper = uploadKeeper([OLD]);
  keeper.before = () => {
    throw new Error('out of order');
  };
  await cleaner.follow(plan(keeper, { storages: [tidy(keeper, [['bucket', '']], { isPartial: true })] }));
  t.match(log.lines.at(-1), 'leaves alone the buckets');
  await pass(2 * MINUTE);
  t.match(cleaner.state()?.last, { state: 'failed' });
  keeper.before = () => undefined;
  await pass(24 * 60 * MINUTE);
  t.match(cleaner.figures().runs, { done: 1, failed: 1 });
  t.same([...cleaner.figures().storages], [['kept', { aborted: 1, probes: 0, errors: 2 }]]);
});
