import t from 'tap';
import { parseSchedule, scheduleFault } from '../../../src/cleanup/schedule.ts';

t.test('tells the next time, in the zone of the machine', async (t) => {
  const nightly = parseSchedule('0 3 * * *');
  const next = nightly.next(new Date(2026, 10, 20, 2, 59, 59));
  t.same(next, new Date(2026, 10, 20, 3, 0, 0));
  t.same(nightly.next(new Date(2026, 10, 20, 3, 0, 0)), new Date(2026, 10, 21, 3, 0, 0), 'never the same time again');
  t.same(parseSchedule('*/10 * * * * *').next(new Date(2026, 0, 1, 0, 0, 5)), new Date(2026, 0, 1, 0, 0, 10));
  t.same(parseSchedule('@daily').next(new Date(2026, 0, 1, 0, 0, 5)), new Date(2026, 0, 2));
  t.same(parseSchedule('30 4 * * MON').next(new Date(2026, 10, 20)), new Date(2026, 10, 23, 4, 30));
});

t.test('says what is wrong with an expression', async (t) => {
  t.equal(scheduleFault('0 3 * * *'), undefined);
  const wrong: Readonly<Record<string, RegExp>> = {
    '': /five fields/,
    '0 3 * *': /five fields/,
    '0 3 * * * * 2030': /five fields/,
    '2027-01-01T00:00:00': /five fields/,
    'every night': /five fields/,
    '60 3 * * *': /minute: 60/,
    '0 25 * * *': /hour: 25/,
    '0 3 * * 1,': /dayOfWeek/,
    '0 0 31 2 *': /never comes/,
    '@nightly': /./,
  };
  for (const [expression, fault] of Object.entries(wrong)) t.match(scheduleFault(expression), fault, expression);
});
