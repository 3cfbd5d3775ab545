import { Readable } from 'node:stream';
import { Fill } from './fill.ts';
import { keepWhenWhole } from './filling.ts';
import type { ObjectWrite } from './object-write.ts';
import { createPermits } from './permits.ts';
import { bytesOfDraft } from './populate.ts';
import type { Shared } from './shared.ts';
import type { Draft } from './store.ts';
import type { Part } from './uploads.ts';
import type { Write } from './write.ts';
import { askWritten } from './written.ts';

/** An upload that the storage has completed, and whose parts are all here. */
export interface Assembly {
  /** In order. */
  readonly parts: readonly Part[];
  readonly draft: Draft;
  readonly size: number;
  /** As the storage answered to Complete; unquoted. */
  readonly etag: string;
}

/**
 * Keeps an object of parts that are here, in the background. Readers wait no longer than until the storage has said what
 * the object is: then they follow the fill that brings its parts together. Takes over the draft and the parts.
 */
export function assemble(
  write: ObjectWrite,
  { state }: Write,
  { parts, draft, ...written }: Assembly,
  shared: Shared,
): void {
  const { name, ids, rule } = write;
  const { states, log, background } = shared;
  const [id = ''] = ids;
  const { epoch } = state;
  const isCurrent = () => state.writes === 0 && state.epoch === epoch;
  const closeParts = () => {
    for (const part of parts) part.draft.close();
  };
  const begin = async (): Promise<void> => {
    let fill: Fill | undefined;
    try {
      const shown = await askWritten(write, state, { ...written, isCurrent }, shared);
      if (shown === undefined) return;
      const { description, askedAt } = shown;
      const first = Readable.from(bytesOfParts(parts), { objectMode: false });
      fill = new Fill({ description, draft, first, ...LOCAL });
      background(fill.finished.catch(() => undefined).finally(closeParts));
      const counted = { kept: 'writesKept', overtaken: undefined, failed: undefined } as const;
      const context = { state, name, id, askedAt, isCurrent: shown.isCurrent, counted };
      const kept = keepWhenWhole({ fill, draft }, context, shared);
      background(kept);
      if (shown.isCurrent()) state.fill = { fill, epoch, askedAt, kept };
    } catch (err) {
      log.info({ err, storage: name.storage, rule: rule?.label }, 'a written object was not kept');
    } finally {
      if (fill === undefined) {
        draft.close();
        closeParts();
      }
      if (state.asking === begun) state.asking = undefined;
      states.release(id);
    }
  };
  states.hold(id);
  const begun = begin();
  state.asking ??= begun;
  background(begun);
}

/** Nothing of it comes from the storage, and there is no line to spare. */
const LOCAL = {
  partBytes: Number.POSITIVE_INFINITY,
  permits: createPermits(1),
  isAwaited: () => false,
  pace: undefined,
  onBytes: () => undefined,
};

async function* bytesOfParts(parts: readonly Part[]): AsyncIterable<Uint8Array> {
  for (const { draft, size } of parts) yield* bytesOfDraft(draft, size);
}
