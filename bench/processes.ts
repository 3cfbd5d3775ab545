import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What node is started with where Sluice is: see docs/decisions/0009. */
export const NODE_FLAGS = ['--max-semi-space-size=8', '--no-parallel-scavenge', '--expose-gc'];

const TICKS_PER_SECOND = 100;

/** CPU seconds, user and system, that a process and its living children have used (Linux). */
export function cpuSeconds(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  const own = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  return own + children.reduce((sum, child) => sum + cpuSeconds(Number(child)), 0);
}

/** Resident memory now and at its highest, in MiB (Linux). */
export function memoryMiB(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return { now: read('VmRSS'), peak: read('VmHWM') };
}

/** Starts a program and resolves when it has printed something that matches; its output goes nowhere else. */
export function start(
  command: string,
  args: readonly string[],
  ready: RegExp,
  env = process.env,
): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    let text = '';
    const read = (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-10_000);
      if (ready.test(text)) resolve(child);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}:\n${text}`)));
  });
}

export async function stop(child: ChildProcess): Promise<void> {
  child.removeAllListeners('exit');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}
