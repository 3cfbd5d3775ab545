import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './process.ts';
import type { Check, ClientScenario } from './scenario.ts';

/** Where `debian-13.sh` makes it. */
const FOLDER = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), `sluice/debian-13-${hashOfMakers()}`);

function hashOfMakers(): string {
  const hash = createHash('sha256');
  for (const name of ['debian-13.sh', 'debian-13-enter.sh']) hash.update(readFileSync(new URL(name, import.meta.url)));
  return hash.digest('hex').slice(0, 12);
}

/** The path that runs a program of Debian 13, beside this machine's. It sees /tmp and the folder it is called in. */
export function inDebian13(program: string): string {
  return join(FOLDER, 'bin', program);
}

/** The version of a package there, without what Debian adds to it. */
export async function packageOfDebian13(name: string): Promise<string> {
  const { stdout } = await run(inDebian13('dpkg-query'), ['-W', '-f', '${source:Upstream-Version}', name]);
  return stdout.replace(/\+(ds|dfsg).*/, '');
}

/**
 * The same client as Debian 13 has it.
 * @param client runs `inDebian13` what it runs
 * @param program that it cannot do without
 * @param from the release that has it, where it is a later one's
 */
export function ofDebian13(client: ClientScenario, program: string, from = 'Debian 13'): ClientScenario {
  return {
    ...client,
    name: `${client.name}, ${from}`,
    // What is not there is told by what it is called, not by where it would be.
    program: undefined,
    lacks: async () => (await lacksDebian13(program)) || ((await client.lacks?.()) ?? false),
  };
}

/**
 * What a command line begins with to be run there from a folder, and to see what such command lines before it have mounted;
 * by `inDebian13` each sees its own.
 */
export async function stayInDebian13(t: Check, folder: string): Promise<readonly string[]> {
  const stays = spawn(inDebian13('cat'), { cwd: folder, stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = once(stays, 'close');
  // It ends with what it reads, so also when this process is gone.
  t.teardown(async () => {
    stays.stdin.end();
    await ended;
  });
  stays.stdin.write('there\n');
  await Promise.race([once(stays.stdout, 'data'), ended]);
  return ['nsenter', '--target', String(stays.pid), '--mount', '--root', '--wd', '--'];
}

/** Why a program of it cannot be run here; false when it can. */
export async function lacksDebian13(program: string): Promise<string | false> {
  if (!existsSync(FOLDER)) return `there is no Debian 13 here: test/interop/debian-13.sh makes it`;
  if (tmpdir() !== '/tmp') return `Debian 13 sees /tmp, and temporary files are elsewhere`;
  const { status } = await run(inDebian13('sh'), ['-c', `command -v ${program}`]).catch(() => ({ status: 1 }));
  if (status === 0) return false;
  const enters = await run(inDebian13('true'), []).catch(() => ({ status: 1 }));
  return enters.status === 0
    ? `the Debian 13 here has no ${program}`
    : `nothing can be mounted here to run Debian 13 with`;
}
