import type { Source } from './body.ts';
import { BRIEF_CHUNK, LARGEST_CHUNK, SMALLEST_CHUNK } from './chunk-pool.ts';
import { BLOCK_BYTES, type Content, type LendingContent } from './content.ts';

/** Buffers on the way take several megabytes of any reader. One who took more reads on, and gets more at a time. */
const STEADY_BYTES = 8 * 2 ** 20;

/**
 * A kept version's bytes, for one reader who goes through them in order. Once it lends, the next are read while those
 * before are being sent.
 */
export function contentSource(content: Content): Source {
  const { lending: offered } = content;
  let lending: LendingContent | undefined;
  let given = 0;
  let ahead: { readonly position: number; readonly bytes: Promise<Uint8Array> } | undefined;
  let isClosed = false;
  const read = (position: number, end: number): Promise<Uint8Array> => {
    if (lending === undefined) {
      // What begins a long answer is small: as long as it is not sent, it is all that the reader holds.
      const isLong = offered !== undefined && end - position >= BLOCK_BYTES;
      return content.read(position, isLong ? position + SMALLEST_CHUNK - 1 : end);
    }
    const wanted = given < STEADY_BYTES ? BRIEF_CHUNK : LARGEST_CHUNK;
    const last = Math.min(end, position + wanted - 1);
    return lending.read(position, last);
  };
  const drop = (): void => {
    // A failure of what nobody reads is nobody's.
    ahead?.bytes.then(lending?.lender.giveBack, () => undefined);
    ahead = undefined;
  };
  return {
    read: async (position, end) => {
      const isAhead = ahead?.position === position;
      const reading = isAhead && ahead !== undefined ? ahead.bytes : read(position, end);
      if (isAhead) ahead = undefined;
      else drop();
      const bytes = await reading;
      given += bytes.length;
      const next = position + bytes.length;
      if (lending?.hasRoom === true && !isClosed && next <= end) {
        ahead = { position: next, bytes: read(next, end) };
        // Told to who reads it.
        ahead.bytes.catch(() => undefined);
      }
      return bytes;
    },
    ...(offered && {
      lend: () => {
        lending = offered;
        return offered.lender;
      },
    }),
    close: () => {
      if (isClosed) return;
      isClosed = true;
      drop();
      content.close();
    },
  };
}
