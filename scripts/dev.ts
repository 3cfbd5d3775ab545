import { spawn } from 'node:child_process';

/** `npm run dev`: the gateway over the embedded store, restarted at each change, with the type checker beside it. */
const commands = [
  [
    process.execPath,
    [
      '--max-semi-space-size=8',
      '--no-parallel-scavenge',
      '--expose-gc',
      '--watch-path=src',
      '--watch-preserve-output',
      'src/main.ts',
      'serve',
      ...process.argv.slice(2),
    ],
  ],
  ['tsc', ['--noEmit', '--watch', '--preserveWatchOutput']],
] as const;

const children = commands.map(([command, args]) => spawn(command, args, { stdio: 'inherit' }));
for (const child of children) {
  child.once('exit', (code) => {
    for (const other of children) other.kill();
    process.exitCode ??= code ?? 1;
  });
}
