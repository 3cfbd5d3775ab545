import { setImmediate as turn } from 'node:timers/promises';
import { dropBody } from '../s3/body.ts';
import type { S3Response } from '../s3/message.ts';
import {
  type Description,
  describe,
  isNotModified,
  isSameVersion,
  markOf,
  mayBeKept,
  type VersionMark,
} from './description.ts';
import { Fill } from './fill.ts';
import { type BegunFill, keepWhenWhole } from './filling.ts';
import type { KeyState, Outcome } from './key-state.ts';
import { isAbsent, type Origin, toStream } from './origin.ts';
import type { Call, Shared } from './shared.ts';
import { noteShown, questionOf } from './sights.ts';

/**
 * Finds out which version is the current one, together with all who want to know. A request uses only an answer that was
 * asked for after it came: an older one may show what was overwritten before. So one question is under way, and one more
 * waits for all that came since. Each waits a turn of the event loop as well: requests that have arrived together are
 * heard before, and need one question.
 */
export function ask(state: KeyState, call: Call, origin: Origin, shared: Shared): Promise<Outcome> {
  if (state.next !== undefined) return state.next.then(asJoined);
  const next = (state.asking ?? Promise.resolve()).then(turn, turn).then(() => begin(state, call, origin, shared));
  state.next = next;
  return next;
}

/** What the question gave to those who did not cause it: its fill is nobody's but the first one's miss. */
function asJoined(outcome: Outcome): Outcome {
  return outcome.kind === 'fill' ? { ...outcome, isNew: false } : outcome;
}

function begin(state: KeyState, call: Call, origin: Origin, shared: Shared): Promise<Outcome> {
  state.next = undefined;
  shared.states.hold(call.id);
  const asking = askNow(state, call, origin, shared).finally(() => {
    if (state.asking === asking) state.asking = undefined;
    shared.states.release(call.id);
  });
  state.asking = asking;
  return asking;
}

async function askNow(state: KeyState, call: Call, origin: Origin, shared: Shared): Promise<Outcome> {
  const { store, recorder } = shared;
  const { id, name, rule } = call;
  const { epoch } = state;
  const isQuiet = state.writes === 0;
  const moment: Moment = { askedAt: shared.now(), epoch, isCurrent: () => isQuiet && state.epoch === epoch };
  const question = questionOf(state);
  const stored = store.find(id);
  const filling = fillOf(state);
  const known = filling === undefined ? stored : markOf(filling.description);
  const response = await answerOf(origin, known).catch(async (error: unknown) => {
    if (isAbsent(error)) {
      await noteShown(state, { id, question, shown: undefined }, store);
      if (rule.mode === 'exclusive' && moment.isCurrent()) shared.absent.set(id, true);
    }
    throw error;
  });
  const found = response.status === 304 ? undefined : describe(response.headers);
  if (
    known !== undefined &&
    (response.status === 304 || (found !== undefined && isSameVersion(markOf(found), known)))
  ) {
    dropBody(response.body);
    recorder.revalidated(rule.label, 'unchanged');
    await noteShown(state, { id, question, shown: known }, store);
    if (filling !== undefined) return { kind: 'fill', fill: filling, isNew: false };
    if (stored !== undefined) {
      if (moment.isCurrent()) store.validated(stored, moment.askedAt);
      return { kind: 'stored', stored };
    }
  }
  if (known !== undefined) recorder.revalidated(rule.label, 'changed');
  const mayKeep = await noteShown(state, { id, question, shown: found && markOf(found) }, store);
  const fill = found && beginFill(response, found, { state, call, origin, shared });
  if (fill === undefined) {
    dropBody(response.body);
    return { kind: 'uncacheable' };
  }
  const isCurrent = () => moment.isCurrent() && mayKeep();
  const counted = { kept: 'fillsKept', overtaken: 'fillsOvertaken', failed: 'fillsFailed' } as const;
  shared.background(keepWhenWhole(fill, { state, name, id, askedAt: moment.askedAt, isCurrent, counted }, shared));
  if (moment.isCurrent()) state.fill = { fill: fill.fill, epoch, askedAt: moment.askedAt };
  return { kind: 'fill', fill: fill.fill, isNew: true };
}

/** When a question was asked, and whether nothing was written since. */
interface Moment {
  readonly askedAt: number;
  readonly epoch: number;
  readonly isCurrent: () => boolean;
}

/** The fill under way that a new request may still join. */
export function fillOf(state: KeyState): Fill | undefined {
  return state.fill?.epoch === state.epoch && !state.fill.fill.isFailed ? state.fill.fill : undefined;
}

async function answerOf(origin: Origin, known: VersionMark | undefined): Promise<S3Response> {
  if (known === undefined) return origin.get();
  const response = await origin.get(known.etag);
  return response.status !== 304 || isNotModified(response.headers, known) ? response : origin.get();
}

interface AskContext {
  readonly state: KeyState;
  readonly call: Call;
  readonly origin: Origin;
  readonly shared: Shared;
}

/** Undefined when the object may not be kept, or there is no room now. */
function beginFill(
  response: S3Response,
  description: Description,
  { state, call, origin, shared }: AskContext,
): BegunFill | undefined {
  if (!mayBeKept(description) || !shared.store.fits(description.size)) {
    shared.uncacheable.set(call.id, true);
    return undefined;
  }
  const draft = shared.store.draft(call.name, description.size);
  if (draft === undefined) return undefined;
  shared.recorder.count('fills');
  const fill = new Fill({
    description,
    draft,
    first: toStream(response.body),
    ranges: {
      fetch: (start, end) => origin.range(description.etag, start, end),
      partBytes: call.partBytes,
      permits: shared.permitsOf(call.name.place),
    },
    isAwaited: () => state.next !== undefined || state.asking !== undefined,
    pace: call.request.pace,
    onBytes: (count) => shared.recorder.fetched(call.rule.label, count),
  });
  return { fill, draft };
}
