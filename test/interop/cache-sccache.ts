import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Ran } from './process.ts';
import { run } from './process.ts';

/** What is used of the npm package `opendal`; its own types need the DOM's. */
interface Operator {
  read(path: string): Promise<Buffer>;
  write(path: string, bytes: Buffer | string): Promise<unknown>;
}

export interface SccacheAccess {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly bucket: string;
  readonly folder: string;
}

export interface SccacheRun {
  readonly hits: number;
  readonly misses: number;
  /** sccache goes on without writing when its check could not be written. */
  readonly isReadOnly: boolean;
}

/** Undefined when the package has no binary for this platform. */
export function loadOpendal():
  | (new (
      scheme: string,
      options: Readonly<Record<string, string>>,
    ) => Operator)
  | undefined {
  try {
    return createRequire(import.meta.url)('opendal').Operator;
  } catch {
    return undefined;
  }
}

/**
 * Compiles as sccache does: its requests in its order, by the library that it sends them with, of what a real compiler
 * makes. A start reads `.sccache_check` and writes it; a unit is one GET under the hash of what the preprocessor made of
 * it, and after a miss one PUT; nothing is read by HEAD or range (mozilla/sccache, src/cache/cache.rs and src/cache/s3.rs).
 * @param units C files in the folder; the objects are written beside them, as `ROUND-UNIT.o`
 * @throws Error when sccache would not start, or the compiler fails
 */
export async function compileAsSccache(
  access: SccacheAccess,
  round: string,
  units: readonly string[],
): Promise<SccacheRun> {
  const Operator = loadOpendal();
  if (Operator === undefined) throw new Error('opendal has no binary for this platform');
  const operator = new Operator('s3', {
    bucket: access.bucket,
    root: '/objects',
    endpoint: access.endpoint,
    region: 'us-east-1',
    access_key_id: access.accessKey,
    secret_access_key: access.secretKey,
  });
  const read = (path: string) =>
    operator.read(path).catch((error: unknown) => {
      if (error instanceof Error && error.message.includes('NotFound')) return undefined;
      throw error;
    });
  await read('.sccache_check');
  const isReadOnly = await operator.write('.sccache_check', 'Hello, World!').then(
    () => false,
    () => true,
  );
  const compiled = { hits: 0, misses: 0 };
  const compile = async (unit: string): Promise<void> => {
    const { folder } = access;
    const object = join(folder, `${round}-${unit}.o`);
    const preprocessed = fine(await run('gcc', ['-E', unit], { cwd: folder }));
    const hash = createHash('sha256').update(`gcc -O2 -g ${preprocessed.stdout}`).digest('hex');
    const key = `${hash[0]}/${hash[1]}/${hash[2]}/${hash}`;
    const kept = await read(key);
    if (kept !== undefined) {
      compiled.hits++;
      writeFileSync(object, gunzipSync(kept));
      return;
    }
    compiled.misses++;
    fine(await run('gcc', ['-O2', '-g', '-c', unit, '-o', object], { cwd: folder }));
    if (!isReadOnly) await operator.write(key, gzipSync(readFileSync(object)));
  };
  // As `make -j4` does.
  const waiting = [...units];
  await Promise.all(
    [1, 2, 3, 4].map(async () => {
      for (let unit = waiting.shift(); unit !== undefined; unit = waiting.shift()) await compile(unit);
    }),
  );
  if (!units.every((unit) => existsSync(join(access.folder, `${round}-${unit}.o`))))
    throw new Error('an object is missing');
  return { ...compiled, isReadOnly };
}

function fine(ran: Ran): Ran {
  if (ran.status !== 0) throw new Error(ran.stderr);
  return ran;
}
