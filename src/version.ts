import { readFileSync } from 'node:fs';

/** The package's version. The file lies beside both `src` and `dist`. */
export const VERSION: string = (() => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version);
  throw new Error('package.json has no version');
})();
