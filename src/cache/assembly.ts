import { Readable } from 'node:stream';
import { Fill } from './fill.ts';
import { keepWhenWhole } from './filling.ts';
import type { ObjectWrite } from './object-write.ts';
import { bytesOfDraft } from './populate.ts';
import type { Shared } from './shared.ts';
import type { Draft } from './store.ts';
import type { Part } from './uploads.ts';
import type { Write } from './write.ts';
import { afterWrite, askWritten } from './written.ts';

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
export function assemble(write: ObjectWrite, own: Write, { parts, draft, ...written }: Assembly, shared: Shared): void {
  const { state } = own;
  const {
    name,
    ids: [id = ''],
  } = write;
  const closeParts = () => {
    for (const part of parts) part.draft.close();
  };
  afterWrite(write, own, shared, async (isCurrent) => {
    let fill: Fill | undefined;
    try {
      const shown = await askWritten(write, state, { ...written, isCurrent }, shared);
      if (shown === undefined) return;
      const { description, askedAt } = shown;
      const first = Readable.from(bytesOfParts(parts), { objectMode: false });
      fill = new Fill({ description, draft, first, ...LOCAL });
      shared.background(fill.finished.catch(() => undefined).finally(closeParts));
      const counted = { kept: 'writesKept', overtaken: undefined, failed: undefined } as const;
      const context = { state, name, id, askedAt, isCurrent: shown.isCurrent, counted };
      const kept = keepWhenWhole({ fill, draft }, context, shared);
      shared.background(kept);
      if (shown.isCurrent()) state.fill = { fill, epoch: state.epoch, askedAt, kept };
    } finally {
      if (fill === undefined) {
        draft.close();
        closeParts();
      }
    }
  });
}

/** Nothing of it comes from the storage, and there is no line to spare. */
const LOCAL = { ranges: undefined, isAwaited: () => false, pace: undefined, onBytes: () => undefined };

async function* bytesOfParts(parts: readonly Part[]): AsyncIterable<Uint8Array> {
  for (const { draft, size } of parts) yield* bytesOfDraft(draft, size);
}
