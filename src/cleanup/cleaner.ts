import type { TidyStorage, UploadName } from './place.ts';
import { beginReport, type Report, totals } from './report.ts';
import { parseSchedule, type Schedule } from './schedule.ts';
import { type CleanupLog, sweep } from './sweep.ts';

/** What is to be done, and when. */
export interface CleanupPlan {
  /** A cron expression. */
  readonly schedule: string;
  /** Milliseconds without any activity after which an upload in parts is given up. */
  readonly incompleteUploads: number;
  readonly storages: readonly TidyStorage[];
}

export interface CleanerDependencies {
  readonly log: CleanupLog;
  readonly now: () => Date;
  readonly isInUse: (upload: UploadName) => boolean;
  /** Calls back after so many milliseconds, unless what it returns is called before. The process may end meanwhile. */
  readonly after?: (milliseconds: number, run: () => void) => () => void;
}

/** Sums over all runs, dry ones left out. */
export interface CleanupFigures {
  readonly runs: Readonly<Record<'done' | 'failed' | 'stopped', number>>;
  readonly storages: ReadonlyMap<string, Readonly<Record<'aborted' | 'probes' | 'errors', number>>>;
  /** Uploads in parts that the last whole run found open and left, by storage. */
  readonly open: ReadonlyMap<string, number>;
  /** Seconds since 1970; undefined before the first whole run. */
  readonly lastEnd: number | undefined;
  readonly lastSeconds: number | undefined;
}

export interface CleanupState {
  readonly schedule: string;
  readonly incompleteUploads: number;
  readonly next: Date | undefined;
  readonly last: Report | undefined;
}

/** A clock that is set, or a machine that slept, is noticed after so long. */
const LONGEST_WAIT = 60_000;

/**
 * Sweeps at the times of a schedule, one run at a time; what is due while one is under way is left out. A run under way
 * ends with the plan it was begun for.
 */
export class Cleaner {
  readonly #dependencies: Required<CleanerDependencies>;
  #plan: CleanupPlan | undefined;
  #next: Date | undefined;
  #cancel: () => void = () => {};
  #turn = 0;
  #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #last: Report | undefined;
  readonly #runs = { done: 0, failed: 0, stopped: 0 };
  readonly #sums = new Map<string, { aborted: number; probes: number; errors: number }>();
  #lastWhole: Report | undefined;

  constructor(dependencies: CleanerDependencies) {
    this.#dependencies = { after: unrefTimer, ...dependencies };
  }

  /**
   * Takes a new plan, undefined for none. Resolves when a run of the old one has stopped: nothing asks its storages any more.
   * @throws Error when the schedule is none; the old plan is gone then as well
   */
  async follow(plan: CleanupPlan | undefined): Promise<void> {
    const turn = ++this.#turn;
    this.#cancel();
    this.#plan = undefined;
    this.#next = undefined;
    this.#stopping.abort(new Error('the configuration was replaced, or the gateway is closing'));
    await this.#running;
    // Only the last of several plans that came meanwhile counts.
    if (turn !== this.#turn || plan === undefined) return;
    this.#stopping = new AbortController();
    const schedule = parseSchedule(plan.schedule);
    this.#plan = plan;
    this.#wait(schedule);
    const { log } = this.#dependencies;
    log.info({ schedule: plan.schedule, next: this.#next }, 'clean-up is planned');
    for (const { name, isPartial } of plan.storages) {
      if (isPartial)
        log.warn({ storage: name }, 'clean-up leaves alone the buckets that the configuration does not name');
    }
  }

  /** Begins a run now. Gives its report, which is kept up to date; undefined when there is no plan, or a run under way. */
  start({ isDryRun = false }: { readonly isDryRun?: boolean } = {}): Report | undefined {
    const plan = this.#plan;
    if (plan === undefined || this.#running !== undefined) return undefined;
    const report = beginReport(this.#dependencies.now(), isDryRun);
    this.#last = report;
    this.#running = this.#run(plan, report).finally(() => {
      this.#running = undefined;
    });
    return report;
  }

  /** Undefined while nothing is planned. */
  state(): CleanupState | undefined {
    const { schedule, incompleteUploads } = this.#plan ?? {};
    if (schedule === undefined || incompleteUploads === undefined) return undefined;
    return { schedule, incompleteUploads, next: this.#next, last: this.#last };
  }

  figures(): CleanupFigures {
    const whole = this.#lastWhole;
    const ended = whole?.ended;
    return {
      runs: { ...this.#runs },
      storages: this.#sums,
      open: new Map([...(whole?.storages ?? [])].map(([name, { uploads, aborted }]) => [name, uploads - aborted])),
      lastEnd: ended && ended.getTime() / 1000,
      lastSeconds: whole && ended && (ended.getTime() - whole.began.getTime()) / 1000,
    };
  }

  /** Resolves when no run is under way. */
  async settled(): Promise<void> {
    await this.#running;
  }

  #wait(schedule: Schedule): void {
    const { now, after, log } = this.#dependencies;
    this.#next = schedule.next(now());
    const due = this.#next;
    if (due === undefined) return;
    const wait = (): void => {
      const left = due.getTime() - now().getTime();
      this.#cancel = after(Math.min(Math.max(left, 1), LONGEST_WAIT), look);
    };
    const look = (): void => {
      if (due > now()) wait();
      else {
        if (this.start() === undefined) log.warn({}, 'clean-up is due, and the run before is still under way');
        this.#wait(schedule);
      }
    };
    wait();
  }

  async #run(plan: CleanupPlan, report: Report): Promise<void> {
    const { log, now, isInUse } = this.#dependencies;
    const { signal } = this.#stopping;
    const { storages, incompleteUploads: age } = plan;
    let outcome: 'done' | 'failed' | 'stopped';
    try {
      await sweep({ storages, age, isInUse, log, signal }, report);
      outcome = totals(report).errors === 0 ? 'done' : 'failed';
    } catch (err) {
      outcome = 'stopped';
      if (!signal.aborted) log.warn({ err }, 'clean-up broke off');
    }
    const ended = now();
    report.state = outcome;
    report.ended = ended;
    const { isDryRun, began } = report;
    const ms = ended.getTime() - began.getTime();
    log.info({ state: outcome, dryRun: isDryRun, ms, ...totals(report) }, 'clean-up');
    if (!isDryRun) this.#count(outcome, report);
  }

  #count(outcome: 'done' | 'failed' | 'stopped', report: Report): void {
    this.#runs[outcome]++;
    for (const [name, { aborted, probes, errors }] of report.storages) {
      const sum = this.#sums.get(name) ?? { aborted: 0, probes: 0, errors: 0 };
      this.#sums.set(name, {
        aborted: sum.aborted + aborted,
        probes: sum.probes + probes,
        errors: sum.errors + errors,
      });
    }
    if (outcome !== 'stopped') this.#lastWhole = report;
  }
}

function unrefTimer(milliseconds: number, run: () => void): () => void {
  const timer = setTimeout(run, milliseconds).unref();
  return () => clearTimeout(timer);
}
