import type { Fill } from './fill.ts';
import type { ObjectName } from './identity.ts';
import { isIntact } from './integrity.ts';
import type { KeyState } from './key-state.ts';
import type { Shared } from './shared.ts';
import type { Counter } from './stats.ts';
import type { Draft } from './store.ts';

/** A fill, and the draft that it brings bytes to. */
export interface BegunFill {
  readonly fill: Fill;
  readonly draft: Draft;
}

export interface FillingContext {
  readonly state: KeyState;
  readonly name: ObjectName;
  readonly id: string;
  /** When the storage was asked which version is the current one, in ms since 1970. */
  readonly askedAt: number;
  /** Whether nothing was written, and the storage showed nothing else, since. */
  readonly isCurrent: () => boolean;
  /** What is counted of each end. */
  readonly counted: Readonly<Record<'kept' | 'overtaken' | 'failed', Counter | undefined>>;
}

/** Makes the fill's bytes the stored version when all are there, right, and not overtaken. Never rejects. */
export async function keepWhenWhole(
  { fill, draft }: BegunFill,
  { state, name, id, askedAt, isCurrent, counted }: FillingContext,
  { states, recorder, log }: Shared,
): Promise<void> {
  const { description } = fill;
  const count = (counter: Counter | undefined) => counter && recorder.count(counter);
  states.hold(id);
  try {
    await fill.finished;
    if (isCurrent() && !(await isIntact(description, draft))) throw new Error('the bytes do not match the ETag');
    const isKept =
      isCurrent() && (await draft.keep({ description, validatedAt: askedAt, isConfirmed: true, isCurrent }));
    count(isKept ? counted.kept : counted.overtaken);
  } catch (err) {
    count(counted.failed);
    log.info({ err, storage: name.storage }, 'a fill was given up');
  } finally {
    if (state.fill?.fill === fill) state.fill = undefined;
    fill.release();
    states.release(id);
  }
}
