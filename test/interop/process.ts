import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, in a clean environment but for `env` and what it needs to start. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string; readonly cwd?: string } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', LC_ALL: 'C.UTF-8', ...options.env },
      stdio: 'pipe',
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.once('error', reject);
    child.once('close', (status) =>
      resolve({ status, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
    // A program that ends without reading its input has said why in its status.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** Whether a program is on the PATH, or at the path it is named by. */
export function isInstalled(program: string): boolean {
  if (isAbsolute(program)) return existsSync(program);
  return installedAt(program).length > 0;
}

/** Every place on the PATH where a program is found. */
export function installedAt(program: string): readonly string[] {
  const folders = new Set((process.env.PATH ?? '').split(delimiter));
  return [...folders].map((folder) => join(folder, program)).filter((path) => existsSync(path));
}

/** The version a program tells: the first number with a dot in what it says. */
export function versionOf(program: string): Promise<string> {
  return versionFrom(program, '--version');
}

/** The same of a program that has another word for it. */
export async function versionFrom(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(program, args);
  return /\d+\.[\w.-]*\w/.exec(stdout + stderr)?.[0] ?? 'unknown';
}

/** The version of a package that npm installed. */
export async function packageVersion(name: string): Promise<string> {
  const text = await readFile(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8');
  return JSON.parse(text).version;
}
