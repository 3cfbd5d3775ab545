import { type Description, mayBeKept } from './description.ts';
import type { KeyState } from './key-state.ts';
import type { ObjectWrite } from './object-write.ts';
import { createOrigin } from './origin.ts';
import type { Shared } from './shared.ts';
import { noteHead } from './sights.ts';
import type { Write } from './write.ts';

/** What a write made, by the storage's answer to it. */
export interface Written {
  readonly size: number;
  /** Unquoted. */
  readonly etag: string;
  /** Whether no other write began since. */
  readonly isCurrent: () => boolean;
}

/** How the storage shows it. */
export interface ShownWritten {
  readonly description: Description;
  /** In ms since 1970. */
  readonly askedAt: number;
  /** Whether no other write began, and nothing else was shown, since. */
  readonly isCurrent: () => boolean;
}

/** How often it is asked, while others are answered otherwise. */
const QUESTIONS = 3;

/**
 * The storage's answer to a write lacks what a reader must be told - the date, how it spells the type - so it is asked.
 * @returns undefined when it shows another version by then, or one that may not be kept
 * @throws S3Error
 */
export async function askWritten(
  { request, next, name, ids: [id = ''] }: ObjectWrite,
  state: KeyState,
  { size, etag, isCurrent }: Written,
  { now, breakerOf, signal, store }: Shared,
): Promise<ShownWritten | undefined> {
  const origin = createOrigin({ next, request, breaker: breakerOf(name.place), signal });
  for (let asked = 0; asked < QUESTIONS && isCurrent(); asked++) {
    const askedAt = now();
    const { found, isLatest } = await noteHead(state, id, origin, store);
    if (found === undefined || found.etag !== etag || found.size !== size || !mayBeKept(found)) return undefined;
    if (isLatest()) return { description: found, askedAt, isCurrent: () => isCurrent() && isLatest() };
  }
  return undefined;
}

/**
 * Keeps what was written, in the background; readers wait for `work`. Where it fails, nothing is kept.
 * @param work is told whether no other write began since
 */
export function afterWrite(
  { name, ids: [id = ''], rule }: ObjectWrite,
  { state }: Write,
  { states, log, background }: Shared,
  work: (isCurrent: () => boolean) => Promise<void>,
): void {
  const { epoch } = state;
  states.hold(id);
  const done = work(() => state.writes === 0 && state.epoch === epoch)
    .catch((err: unknown) => {
      log.info({ err, storage: name.storage, rule: rule?.label }, 'a written object was not kept');
    })
    .finally(() => {
      if (state.asking === done) state.asking = undefined;
      states.release(id);
    });
  state.asking ??= done;
  background(done);
}
