import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { isInstalled, run } from './process.ts';

/** What a client scenario is given. Each leaves the service as it found it. */
export interface ClientAccess {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** An empty folder of its own. */
  readonly folder: string;
  /** A bucket name of its own; the scenario makes and removes the bucket. */
  readonly bucket: string;
  /** Bytes of the large file, which is sent in parts. `LARGE` unless told, at least 5 MiB. */
  readonly large?: number;
  /** Whether the ETag of a single upload is its MD5 and that of several parts ends in their count. True unless told. */
  readonly hasMd5ETags?: boolean;
  /** The error of a write to an existing key under `If-None-Match: *`. PreconditionFailed unless told. */
  readonly guarded?: RegExp;
  /** The same service by HTTPS, for clients that speak nothing else; its buckets may be others. */
  readonly secure?: Secure;
  /** Set where a client talks to a vendor itself, with what somebody who knows the vendor would set. */
  readonly direct?: Direct;
}

export interface Secure {
  readonly endpoint: string;
  /** The certificate that it shows, signed by itself. */
  readonly caFile: string;
}

export interface Direct {
  readonly region: string;
  readonly addressing: 'path' | 'virtual';
  /** A proxy that reaches the vendor by any name. */
  readonly proxyPort: number;
}

/** What of an error tells a refusal from any other failure. */
type Refusal =
  | { readonly name: string | RegExp }
  | { readonly code: string | RegExp }
  | { readonly message: string | RegExp };

/** What a round checks with: a tap test, or one that stops at the first thing wrong. */
export interface Check {
  equal(found: unknown, wanted: unknown, ...message: [] | [string]): unknown;
  strictSame(found: unknown, wanted: unknown, ...message: [] | [string]): unknown;
  match(found: unknown, wanted: unknown, ...message: [] | [string]): unknown;
  notMatch(found: unknown, wanted: unknown, ...message: [] | [string]): unknown;
  ok(found: unknown, ...message: [] | [string]): unknown;
  rejects(promise: Promise<unknown>, wanted: Refusal): Promise<unknown>;
  teardown(after: () => unknown): unknown;
}

/** One client's round: every step with what it must give, byte for byte. */
export interface ClientScenario {
  readonly name: string;
  /** The program it needs; undefined when npm brings it. */
  readonly program: string | undefined;
  /** Ends with 0 where the program has what it needs; for packages of a language. */
  readonly proof?: readonly [command: string, ...args: string[]];
  /** Looks where neither tells: why the client cannot be tried here, or false. */
  readonly lacks?: () => Promise<string | false>;
  readonly version: () => Promise<string>;
  readonly run: (t: Check, access: ClientAccess) => Promise<void>;
}

/** Why a client cannot be tried here; false when it can. */
export async function lack({ program, proof, lacks }: ClientScenario): Promise<string | false> {
  if (program !== undefined && !isInstalled(program)) return `${program} is not installed`;
  if (proof !== undefined) {
    const [command, ...args] = proof;
    if ((await run(command, args)).status !== 0) return `${proof.join(' ')} fails`;
  }
  return (await lacks?.()) ?? false;
}

/** Larger than every client's threshold for uploading in parts. */
export const LARGE = 100 * 1024 * 1024 + 7;

/** Names that clients and servers have got wrong. */
export const TREE: Readonly<Record<string, string>> = {
  'plain.txt': 'plain',
  'empty.bin': '',
  'deep/er/file.txt': 'deep',
  'with space.txt': 'space',
  'plus+percent%20.txt': 'plus',
  'ünï/测试.txt': 'unicode',
  "quote'and&amp.txt": 'quotes',
};

/** Writes `TREE` below a folder. */
export function plantTree(folder: string): void {
  for (const [name, content] of Object.entries(TREE)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** The files below a folder with their content. */
export function readTree(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [relative(folder, path), readFileSync(path, 'utf8')];
    }),
  );
}

/** A file of `size` random bytes, and its SHA-256. */
export function plantRandom(path: string, size: number): string {
  const hash = createHash('sha256');
  const pieces: Buffer[] = [];
  for (let left = size; left > 0; left -= 2 ** 24) {
    const piece = randomBytes(Math.min(left, 2 ** 24));
    hash.update(piece);
    pieces.push(piece);
  }
  writeFileSync(path, Buffer.concat(pieces));
  return hash.digest('hex');
}

export function sha256Of(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
