import { S3Error, type S3ErrorCode } from '../s3/error.ts';
import { tell } from './ask.ts';
import type { Place, TidyStorage, UploadName } from './place.ts';
import { leftProbes } from './probes.ts';
import { noteRemoved, type Report, reportOn, type StorageReport } from './report.ts';
import { lastActivity, type OpenUpload, openUploads } from './uploads.ts';

export interface CleanupLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface SweepOptions {
  readonly storages: readonly TidyStorage[];
  /** Milliseconds without any activity after which an upload is given up. */
  readonly age: number;
  readonly isInUse: (upload: UploadName) => boolean;
  readonly log: CleanupLog;
  /** Stops the sweep, between requests and in the midst of them. */
  readonly signal: AbortSignal;
}

/** Requests to a storage at once: a nightly job must not be in anybody's way. */
const AT_ONCE = 4;

/**
 * Removes what was begun and given up, storage after storage: uploads in parts without activity for `age`, and what
 * killed runs of `sluice check` left. In a dry run it only looks. Whatever fails is logged and counted in the report, and
 * the sweep goes on.
 * @throws the signal's reason when it was stopped; no request is under way then
 */
export async function sweep(options: SweepOptions, report: Report): Promise<void> {
  for (const storage of options.storages) {
    const work: Work = { ...options, storage, report, tally: reportOn(report, storage.name) };
    work.tally.isPartial = storage.isPartial;
    await step(work, 'buckets cannot be listed', async () => {
      for (const place of await storage.places(options.signal)) await sweepPlace({ ...work, place });
    });
  }
}

interface Work extends SweepOptions {
  readonly storage: TidyStorage;
  readonly report: Report;
  readonly tally: StorageReport;
}

interface WorkAt extends Work {
  readonly place: Place;
}

async function sweepPlace(work: WorkAt): Promise<void> {
  await step(work, 'uploads cannot be listed', () => sweepUploads(work));
  if (work.place.hasProbes) await step(work, 'what checks left cannot be removed', () => sweepProbes(work));
}

/** Does one thing. That what it is about has gone is as good as done; another failure ends it, and not the sweep. */
async function step({ signal, tally, log, storage }: Work, failure: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (err) {
    // What the end of the sweep broke off is no failure of a storage.
    signal.throwIfAborted();
    if (err instanceof S3Error && GONE.has(err.code)) return;
    tally.errors++;
    log.warn({ err, storage: storage.name }, `clean-up: ${failure}`);
  }
}

const GONE: ReadonlySet<S3ErrorCode> = new Set<S3ErrorCode>(['NoSuchUpload', 'NoSuchKey', 'NoSuchBucket']);

async function sweepUploads(work: WorkAt): Promise<void> {
  const { tally, signal } = work;
  for await (const { uploads, at, emulated } of openUploads(work.storage, work.place, signal)) {
    tally.uploads += uploads.length;
    if (emulated !== undefined) tally.emulated = emulated;
    const latest = at.getTime() - work.age;
    await inParallel(uploads, signal, (upload) =>
      step(work, 'an upload cannot be removed', () => removeIdle(work, upload, latest)),
    );
  }
}

/** @param latest milliseconds: an upload with activity then, or later, is kept */
async function removeIdle(work: WorkAt, upload: OpenUpload, latest: number): Promise<void> {
  const { storage, place, report, signal } = work;
  const { key, uploadId, initiated } = upload;
  if (initiated === undefined || initiated.getTime() >= latest) return;
  const last = await lastActivity(storage, place, { ...upload, initiated }, signal);
  // The latter is asked last, with nothing between it and the removal.
  const name = { address: storage.address, bucket: place.bucket, key, uploadId };
  if (last.getTime() >= latest || work.isInUse(name)) return;
  if (!report.isDryRun) {
    await tell(storage, { method: 'DELETE', bucket: place.bucket, key, query: { uploadId } }, signal);
  }
  work.tally.aborted++;
  noteRemoved(report, { storage: storage.name, bucket: place.bucket, key, lastActivity: last });
}

async function sweepProbes(work: WorkAt): Promise<void> {
  const { storage, place, report, signal } = work;
  const { bucket } = place;
  for await (const keys of leftProbes(storage, place, { age: work.age, signal })) {
    await inParallel(keys, signal, (key) =>
      step(work, 'an object cannot be removed', async () => {
        if (!report.isDryRun) await tell(storage, { method: 'DELETE', bucket, key }, signal);
        work.tally.probes++;
      }),
    );
  }
  // It refuses to go as long as anything is in it.
  if (place.isProbe && !report.isDryRun) await tell(storage, { method: 'DELETE', bucket }, signal);
}

/** Runs a step for each item, some at once. @throws the signal's reason, when no step runs any more */
async function inParallel<Item>(
  items: readonly Item[],
  signal: AbortSignal,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await run(item);
  };
  await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  signal.throwIfAborted();
}
