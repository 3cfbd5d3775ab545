import { dropBody } from '../s3/body.ts';
import { type Description, describe, isSameVersion, markOf, type VersionMark } from './description.ts';
import type { KeyState } from './key-state.ts';
import { isAbsent, type Origin } from './origin.ts';
import type { CacheStore } from './store.ts';

/** What the storage's answers showed of one object, in the order in which they came. */
export interface Sights {
  /** Answers so far, to questions of whichever kind. */
  answers: number;
  /** How often one showed something else than the one before. */
  changes: number;
  /** The last one; its version is undefined when it was no object that could be kept. */
  last: { readonly mark: VersionMark | undefined; readonly at: number } | undefined;
}

/** A question that is under way: what had been answered when it was asked. */
export type Question = Pick<Sights, 'answers' | 'changes'>;

/** Begins a question. Whoever asks the storage anything of the object does so, and says with `noteShown` what came of it. */
export function questionOf({ sights: { answers, changes } }: KeyState): Question {
  return { answers, changes };
}

/**
 * Takes to heart what an answer of the storage showed: all else goes, and what is on its way is not kept. Questions overlap,
 * and the storage looks at them in an order of its own: where another was answered otherwise meanwhile, nobody knows which
 * is true now, and neither is kept.
 * @param shown undefined when it was no object that could be kept
 * @returns whether this version may be kept: asked again when it is
 */
export async function noteShown(
  state: KeyState,
  {
    id,
    question,
    shown,
  }: { readonly id: string; readonly question: Question; readonly shown: VersionMark | undefined },
  store: CacheStore,
): Promise<() => boolean> {
  const { sights } = state;
  const isOther = (known: VersionMark | undefined): boolean =>
    known === undefined || shown === undefined ? known !== shown : !isSameVersion(known, shown);
  const before = sights.last;
  const isChange = before !== undefined && isOther(before.mark);
  const isUnsure = sights.changes !== question.changes || (isChange && before.at > question.answers);
  if (isChange) sights.changes++;
  sights.last = { mark: shown, at: ++sights.answers };
  const { changes } = sights;
  const filling = state.fill?.fill;
  if (filling !== undefined && isOther(markOf(filling.description))) {
    state.fill = undefined;
    // Nobody would ever use what it brings.
    if (!filling.hasReaders) filling.abort(new Error('another version was found'));
  }
  const stored = store.find(id);
  if (stored !== undefined && isOther(stored)) await store.drop(stored);
  return () => !isUnsure && sights.changes === changes;
}

/**
 * Asks the storage by HEAD for the current version, and takes its answer to heart; also that there is none.
 * @returns `found` undefined when it is no object that could be kept; `isLatest` as of `noteShown`
 * @throws S3Error as the storage says
 */
export async function noteHead(
  state: KeyState,
  id: string,
  origin: Origin,
  store: CacheStore,
): Promise<{ readonly found: Description | undefined; readonly isLatest: () => boolean }> {
  const question = questionOf(state);
  const response = await origin.head().catch(async (error: unknown) => {
    if (isAbsent(error)) await noteShown(state, { id, question, shown: undefined }, store);
    throw error;
  });
  dropBody(response.body);
  const found = describe(response.headers);
  return { found, isLatest: await noteShown(state, { id, question, shown: found && markOf(found) }, store) };
}
