import { Cron } from 'croner';

/** Times that come again and again, in the machine's own time zone. */
export interface Schedule {
  /** The first time after this one; undefined when none is left. */
  next(after: Date): Date | undefined;
}

/** Five fields, or six with seconds in front; or a word such as `@daily`. The library would also take a date. */
const FORM = /^\s*(?:@[a-z]+|[^\s@]+(?:\s+[^\s@]+){4,5})\s*$/i;

/**
 * Reads a cron expression.
 * @throws Error that says what is wrong with it, also when its time never comes, as on the 31st of February
 */
export function parseSchedule(expression: string): Schedule {
  if (!FORM.test(expression)) throw new Error('must have five fields: minute, hour, day, month, weekday');
  const cron = new Cron(expression, { mode: '5-or-6-parts', paused: true });
  const schedule = { next: (after: Date) => cron.nextRun(after) ?? undefined };
  if (schedule.next(new Date(0)) === undefined) throw new Error('never comes');
  return schedule;
}

/** What is wrong with an expression; undefined when nothing is. */
export function scheduleFault(expression: string): string | undefined {
  try {
    parseSchedule(expression);
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return message.replace(/^CronPattern: /, '');
  }
}
