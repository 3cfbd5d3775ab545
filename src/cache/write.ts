import type { S3Response } from '../s3/message.ts';
import type { KeyState } from './key-state.ts';
import type { Shared } from './shared.ts';

/** A write of one object that is under way. */
export interface Write {
  readonly state: KeyState;
  /** Whether no other write of the object was under way at any time during this one. */
  readonly isAlone: () => boolean;
}

/**
 * Does a write through to the storage. From its begin nothing kept is served unasked and nothing under way is kept; when
 * it succeeded nothing kept is served at all. After one whose outcome is unknown the next reader asks. All of it holds for
 * each id: the object under the names of all storages that reach it.
 * @param onWritten told before the answer goes out, when the write succeeded
 */
export async function writeThrough(
  ids: readonly string[],
  shared: Shared,
  send: () => Promise<S3Response>,
  onWritten: (writes: readonly Write[], response: S3Response) => void = () => undefined,
): Promise<S3Response> {
  const writes = ids.map((id) => begin(id, shared));
  try {
    const response = await send();
    await Promise.all(ids.map((id) => dropStored(id, shared)));
    const alone = writes.map((write) => write.isAlone());
    for (const { state } of writes) end(state);
    onWritten(
      writes.map(({ state }, index) => ({ state, isAlone: () => alone[index] === true })),
      response,
    );
    return response;
  } catch (error) {
    for (const { state } of writes) end(state);
    throw error;
  } finally {
    for (const id of ids) shared.states.release(id);
  }
}

function begin(id: string, { states, store, absent, uncacheable }: Shared): Write {
  const state = states.hold(id);
  state.epoch++;
  state.writes++;
  const { epoch } = state;
  const wasAlone = state.writes === 1;
  store.doubt(id);
  absent.delete(id);
  uncacheable.delete(id);
  const fill = state.fill?.fill;
  // Nobody would ever use what it brings.
  if (fill !== undefined && !fill.hasReaders) fill.abort(new Error('overtaken by a write'));
  return { state, isAlone: () => wasAlone && state.epoch === epoch };
}

function end(state: KeyState): void {
  state.epoch++;
  state.writes--;
}

async function dropStored(id: string, { store }: Shared): Promise<void> {
  const stored = store.find(id);
  if (stored !== undefined) await store.drop(stored);
}
