import { dropBody } from '../s3/body.ts';
import { isAbsent } from './ask.ts';
import { type Description, describe, markOf, mayBeKept } from './description.ts';
import type { KeyState } from './key-state.ts';
import type { ObjectWrite } from './object-write.ts';
import { createOrigin } from './origin.ts';
import type { Shared } from './shared.ts';
import { noteShown, questionOf } from './sights.ts';

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
    const question = questionOf(state);
    const response = await origin.head().catch(async (error: unknown) => {
      if (isAbsent(error)) await noteShown(state, { id, question, shown: undefined }, store);
      throw error;
    });
    dropBody(response.body);
    const found = describe(response.headers);
    const isLatest = await noteShown(state, { id, question, shown: found && markOf(found) }, store);
    if (found === undefined || found.etag !== etag || found.size !== size || !mayBeKept(found)) return undefined;
    if (isLatest()) return { description: found, askedAt, isCurrent: () => isCurrent() && isLatest() };
  }
  return undefined;
}
