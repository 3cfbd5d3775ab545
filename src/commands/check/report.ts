import type { StorageReport } from './finding.ts';

/** What was found of a storage, as a table for people. */
export function reportText({ name, provider, place, isUsable, findings }: StorageReport): string {
  const width = Math.max(...findings.map(({ capability }) => capability.length));
  const rows = findings.map(({ capability, state, note, setting }) => {
    const remark = [note, setting === undefined ? undefined : `set ${setting}`].filter(
      (text) => text !== undefined && text !== '',
    );
    return `  ${capability.padEnd(width)}  ${state.padEnd(8)}  ${remark.join('; ')}`.trimEnd();
  });
  return `\n${name} (${provider}${place === '' ? '' : `, ${place}`}): ${isUsable ? 'usable' : 'NOT usable'}\n${rows.join('\n')}\n`;
}
