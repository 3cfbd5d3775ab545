import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Outcome } from './attempt.ts';
import type { ClientScenario } from './scenario.ts';

/** One matrix of `docs/compatibility.md`, as `scripts/compatibility.ts` reads it. */
export interface Matrix {
  readonly title: string;
  /** What the rows are, in a sentence or two. */
  readonly about: string;
  /** On which machine and when, in a sentence; absent where it was not noted. */
  readonly ran?: string;
  readonly clients: readonly { readonly name: string; readonly version: string }[];
  readonly rows: readonly Row[];
}

export interface Row {
  readonly backend: string;
  /** Of the service behind; absent where it has none. */
  readonly version?: string;
  readonly through: Readonly<Record<string, Outcome>>;
  /** The same client without Sluice; absent where there is no such thing. */
  readonly direct?: Readonly<Record<string, Outcome>>;
}

const FOLDER = new URL('../../docs/compatibility/', import.meta.url);

/** Says on what and when a run was done: the system, its Node, the day. */
export function whereAndWhen(day: Date): string {
  const name = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform;
  return `Last run on ${day.toISOString().slice(0, 10)} on ${name}, Node ${process.versions.node}.`;
}

/** The clients' names and versions. */
export function versionsOf(clients: readonly ClientScenario[]): Promise<Matrix['clients']> {
  return Promise.all(
    clients.map(async ({ name, version }) => ({ name, version: await version().catch(() => 'not installed') })),
  );
}

/** Whether `COMPATIBILITY=write` asks for the document's rows: an ordinary test run leaves out what only they need. */
export const isRecording = process.env.COMPATIBILITY === 'write';

/**
 * Keeps rows of a matrix for the document, where that is asked for: an ordinary test run changes no file.
 * What earlier runs found stays unless it comes again, so that a long matrix can be made in pieces.
 * @param name of the file; the document shows the files in the order of their names
 * @param order the backends in the order of the document
 */
export function keep(name: string, matrix: Matrix, order: readonly string[]): void {
  if (!isRecording) return;
  mkdirSync(FOLDER, { recursive: true });
  const path = new URL(`${name}.json`, FOLDER);
  // Written below, in this shape.
  const before: Matrix | undefined = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
  const rows = new Map((before?.rows ?? []).map((row) => [row.backend, row]));
  const names = new Set(matrix.clients.map(({ name }) => name));
  for (const row of matrix.rows) {
    const { through, direct } = rows.get(row.backend) ?? {};
    const ofToday = (outcomes: Row['direct']) =>
      Object.fromEntries(Object.entries(outcomes ?? {}).filter(([name]) => names.has(name)));
    rows.set(row.backend, {
      ...row,
      through: { ...ofToday(through), ...row.through },
      ...(row.direct && { direct: { ...ofToday(direct), ...row.direct } }),
    });
  }
  const sorted = order.flatMap((backend) => rows.get(backend) ?? []);
  writeFileSync(path, `${JSON.stringify({ ...matrix, rows: sorted }, null, 2)}\n`);
}
