import type { CacheLog } from '../shared.ts';

export interface HealthOptions {
  readonly now: () => number;
  readonly log: CacheLog;
  /** Told of every failure of the disk. */
  readonly onError: () => void;
}

/** Whether a disk is used, or left alone as it failed a moment ago. */
export interface DiskHealth {
  readonly isUsable: boolean;
  /** Not used for a while. */
  leaveAlone(): void;
  /** It failed. True for the first failure while it was used: all that was being written fails with it. */
  fail(error: unknown): boolean;
}

/** After a failure the disk is left alone for so long, then tried again. */
const ASIDE_MS = 5_000;

export function createDiskHealth({ now, log, onError }: HealthOptions): DiskHealth {
  let asideUntil = 0;
  const health: DiskHealth = {
    get isUsable() {
      return now() >= asideUntil;
    },
    leaveAlone: () => {
      asideUntil = now() + ASIDE_MS;
    },
    fail: (err) => {
      onError();
      const isFirst = health.isUsable;
      health.leaveAlone();
      if (isFirst) log.warn({ err }, 'the cache disk fails; nothing new is kept on it for a while');
      return isFirst;
    },
  };
  return health;
}
