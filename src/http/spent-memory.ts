/** Told how many bytes of buffers have passed and are not needed any more. */
export type SpentMemory = (bytes: number) => void;

/** Dead buffers that may wait: few enough to be found in the processor's caches by those that take their place. */
const MOST_WAITING = 8 * 2 ** 20;

/**
 * Has V8 look for dead buffers when enough bytes have passed. To V8 a buffer is a small object, with its bytes elsewhere:
 * at its own pace it lets hundreds of megabytes of them wait, and each new one is cold memory (docs/decisions/0009).
 * @param collect collects young objects; undefined where node was started without `--expose-gc`, which leaves V8 its pace
 */
export function createSpentMemory(collect: (() => void) | undefined): SpentMemory {
  if (collect === undefined) return () => undefined;
  let waiting = 0;
  return (bytes) => {
    waiting += bytes;
    if (waiting < MOST_WAITING) return;
    waiting = 0;
    collect();
  };
}
