import type { Writable } from 'node:stream';
import { SingleBar } from 'cli-progress';
import type { WarmProgress } from '../../admin/cache-api.ts';
import { formatBytes } from '../../admin/figures.ts';

/** Shows how far a warm-up is, on a terminal; elsewhere nothing. */
export interface WarmBar {
  show(progress: WarmProgress): void;
  /** Leaves what was shown last, and the terminal as it was. */
  close(): void;
}

/** @param stream the terminal; stays open */
export function createWarmBar(stream: Writable): WarmBar {
  const bar = new SingleBar({
    stream,
    format: '[{bar}] {percentage}% {objects} objects {bytes} {state}',
    barCompleteChar: '#',
    barIncompleteChar: '-',
    // Whoever interrupts it ends the command, not the warm-up: that goes on in the gateway.
    gracefulExit: false,
  });
  bar.start(1, 0, { objects: '0/0', bytes: formatBytes(0), state: 'listing' });
  return {
    show: ({ state, objects, objectsDone, objectsFailed, bytes, bytesDone }) => {
      // Until sizes are known, or where all are empty, objects count.
      const [all, done] = bytes === 0 ? [objects, objectsDone + objectsFailed] : [bytes, Math.min(bytes, bytesDone)];
      bar.setTotal(Math.max(all, 1));
      bar.update(done, { objects: `${objectsDone}/${objects}`, bytes: formatBytes(bytesDone), state });
    },
    close: () => bar.stop(),
  };
}
