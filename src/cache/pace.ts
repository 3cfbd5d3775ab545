import { setTimeout as delay } from 'node:timers/promises';

/** Awaited for bytes that came; resolves when the next may. */
export type Pace = (bytes: number) => Promise<void>;

export interface PaceOptions {
  /** Bytes a second. */
  readonly rate: number;
  /** Rejects what waits when it aborts. */
  readonly signal: AbortSignal;
  /** Milliseconds that only go forward; for tests. */
  readonly now?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/** After a pause so much may come at once, in milliseconds at full rate. */
const BURST_MS = 100;

/**
 * A steady flow for all who share it: a token bucket, kept as the time at which it is empty again, so that any stretch of
 * time sees no more than the rate and one burst (the generic cell rate algorithm, ITU-T I.371).
 */
export function createPace({ rate, signal, now = () => performance.now(), sleep = wait }: PaceOptions): Pace {
  let due = now();
  return async (bytes) => {
    due = Math.max(due, now() - BURST_MS) + (bytes / rate) * 1000;
    const ms = due - now();
    if (ms > 0) await sleep(ms, signal);
  };
}

function wait(ms: number, signal: AbortSignal): Promise<unknown> {
  return delay(ms, undefined, { signal });
}
