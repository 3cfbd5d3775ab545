/** Run as a process of its own in a small file system: fills the store there and prints what happened, as JSON. */
import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { S3Error } from '../../src/s3/error.ts';
import { openFilesystemStore } from '../../src/store/filesystem/store.ts';
import { serve } from '../../src/store/serve.ts';
import { dataFiles } from './filesystem-store.ts';
import { generatedBytes, generatedStream } from './generated.ts';
import { bytesOf, type RequestParts, s3Request } from './s3-request.ts';

const path = join(process.argv[2] ?? '', 'data');
const store = await openFilesystemStore({ path, now: () => new Date(), log: console });
const handler = serve(store);

async function status(parts: RequestParts): Promise<number | string> {
  try {
    return (await handler(s3Request({ bucket: 'b', ...parts }))).status;
  } catch (error) {
    return error instanceof S3Error ? error.code : String(error);
  }
}
const read = async (key: string): Promise<Buffer> =>
  bytesOf(await handler(s3Request({ method: 'GET', bucket: 'b', key })));

const ballast = join(path, '..', 'ballast');
writeFileSync(ballast, Buffer.alloc(4_000_000));
await store.createBucket('b');
const kept = generatedBytes(2_000_000, 1);
await status({ method: 'PUT', key: 'kept', body: kept });
const big = await status({ method: 'PUT', key: 'big', body: generatedStream(30_000_000, 2) });
const filesAfterBig = await settledFiles();
const attributes = { systemHeaders: new Map(), userMetadata: new Map(), tags: [], storageClass: 'STANDARD' };
const { uploadId } = await store.createMultipartUpload({ bucket: 'b', key: 'm', ...attributes, checksum: undefined });
const query = `partNumber=1&uploadId=${uploadId}`;
const part = await status({ method: 'PUT', key: 'm', query, body: generatedStream(30_000_000, 3) });

// Bodies small enough for the index fill it to the last page.
let stored = 0;
let small: number | string = 200;
while (small === 200) {
  small = await status({ method: 'PUT', key: `small/${stored}`, body: generatedBytes(20_000, stored) });
  if (small === 200) stored++;
}
const overwritten = await status({ method: 'PUT', key: 'kept', body: generatedBytes(5_000_000, 9) });
let areWhole = true;
for (let n = 0; n < stored; n++) {
  if (!(await read(`small/${n}`)).equals(generatedBytes(20_000, n))) areWhole = false;
}
const filesAtEnd = await settledFiles();
const survivor = (await read('kept')).equals(kept);
unlinkSync(ballast);
const afterwards = await status({ method: 'PUT', key: 'new', body: 'x' });
await store.close();

console.log(
  JSON.stringify({
    big,
    part,
    filesAfterBig,
    small,
    smallStored: String(stored),
    areWhole,
    filesAtEnd,
    overwritten,
    survivor,
    afterwards,
  }),
);

/** Unlinking happens behind the answer. */
async function settledFiles(): Promise<number> {
  for (let tries = 0; tries < 200 && dataFiles(path).length > 1; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return dataFiles(path).length;
}
