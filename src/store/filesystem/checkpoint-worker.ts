import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

/**
 * Runs as a thread of its own, where disk syncs hold nobody up. Each message asks for one checkpoint and is
 * answered with an error's text, or null; `close` ends the thread.
 */
const db = new DatabaseSync(String(workerData));
db.exec('PRAGMA synchronous = NORMAL');
const checkpoint = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');

parentPort?.on('message', (message: unknown) => {
  if (message === 'close') {
    db.close();
    parentPort?.close();
    return;
  }
  parentPort?.postMessage(runCheckpoint());
});

function runCheckpoint(): string | null {
  try {
    checkpoint.get();
    return null;
  } catch (error) {
    return String(error);
  }
}
