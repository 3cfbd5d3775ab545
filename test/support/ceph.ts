import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const script = fileURLToPath(new URL('../interop/ceph-rgw.sh', import.meta.url));
const programs = ['/usr/bin/radosgw', '/usr/bin/ceph-mon', '/usr/bin/ceph-osd', '/usr/bin/ceph-authtool'];

export interface CephUser {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** A running Ceph, and the keys of its first user. Buckets also answer at `BUCKET.localhost`. */
export interface Ceph extends CephUser {
  readonly port: number;
  /** A second user, who may touch nothing of the first. */
  readonly second: CephUser;
  /** What its gateway has logged so far: a line for each request, with method, path, status and bytes sent. */
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** The programs that are not installed; none when a Ceph can be started. */
export function missingForCeph(): readonly string[] {
  return programs.filter((program) => !existsSync(program));
}

/** Starts a Ceph of its own on free ports of the loopback interface; takes some two seconds. */
export async function startCeph(): Promise<Ceph> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-ceph-'));
  const port = await freePortPair();
  const stop = async () => {
    const pids = await readPids(join(folder, 'run'));
    await run(script, ['stop', folder]);
    // The script asks them to end; they write to the folder until they have.
    for (const pid of pids) while (isRunning(pid)) await delay(50);
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
  };
  try {
    const { stdout } = await run(script, ['start', folder, String(port)]);
    const words = new Map(
      stdout
        .trim()
        .split(' ')
        .map((word) => word.split('=') as [string, string]),
    );
    const user = (suffix: string): CephUser => ({
      accessKey: words.get(`access_key${suffix}`) ?? '',
      secretKey: words.get(`secret_key${suffix}`) ?? '',
    });
    const log = () => readFile(join(folder, 'log/client.rgw.log'), 'utf8');
    return { port, ...user(''), second: user('2'), log, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function readPids(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  const files = names.filter((name) => name.endsWith('.pid')).map((name) => readFile(join(folder, name), 'utf8'));
  return (await Promise.all(files)).map(Number).filter((pid) => pid > 0);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The gateway listens on the port, its monitor on the next one. */
async function freePortPair(): Promise<number> {
  for (;;) {
    const first = await listen(0);
    const second = await listen(first.port + 1).catch(() => undefined);
    await first.close();
    await second?.close();
    if (second !== undefined) return first.port;
  }
}

async function listen(port: number): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}
