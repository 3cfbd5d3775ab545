import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Builds tap as `.taprc` wants it, once after an installation. tap would do so by itself, but its first run still loads
 * the plug-ins it came with, and its TypeScript one fails on the TypeScript here.
 */
const built = new URL('../node_modules/@tapjs/test/test-built/dist/esm/index.js', import.meta.url);

if (readFileSync(built, 'utf8').includes('@tapjs/typescript')) {
  const { status, error } = spawnSync('tap', ['build'], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
}
