/**
 * Run as a process of its own: writes objects to the store in the folder given until it is killed or `count` are
 * written, and prints a line for each that was acknowledged: its key, size and seed.
 */

import { S3Error } from '../../src/s3/error.ts';
import { openFilesystemStore } from '../../src/store/filesystem/store.ts';
import { serve } from '../../src/store/serve.ts';
import { generatedBytes } from './generated.ts';
import { s3Request } from './s3-request.ts';

const [path = '', round = '0', count = '1000000'] = process.argv.slice(2);
const store = await openFilesystemStore({ path, now: () => new Date(), log: console });
const handler = serve(store);
await store.createBucket('b').catch((error: unknown) => {
  if (!(error instanceof S3Error && error.code === 'BucketAlreadyOwnedByYou')) throw error;
});
const sizes = [0, 100, 5000, 40_000, 300_000, 1_500_000];

let next = 0;
async function writeOn(worker: number): Promise<void> {
  while (next < Number(count)) {
    const n = next++;
    const size = sizes[(n * 7 + worker) % sizes.length] ?? 0;
    const seed = Number(round) * 1_000_000 + n;
    // A few keys are written again and again, most once.
    const key = n % 3 === 0 ? `again/${worker}` : `once/${round}/${n}`;
    try {
      await handler(s3Request({ method: 'PUT', bucket: 'b', key, body: generatedBytes(size, seed) }));
      process.stdout.write(`${JSON.stringify({ key, size, seed })}\n`);
    } catch (error) {
      const code = error instanceof S3Error ? error.code : String(error);
      process.stdout.write(`${JSON.stringify({ key, code })}\n`);
    }
  }
}
await Promise.all([0, 1, 2, 3].map(writeOn));
await store.close();
