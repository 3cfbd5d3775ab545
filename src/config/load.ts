import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { accountFaults } from '../store/azure/account.ts';
import { deliveryFaults } from '../store/azure/delivery.ts';
import { targetFaults } from '../upstream/target.ts';
import { ConfigError } from './config-error.ts';
import { type ConfigIssue, crossCheck } from './cross-checks.ts';
import { dialectOverrides } from './dialect-fields.ts';
import { type Config, configSchema, type StorageConfig } from './schema.ts';

/** Where `${NAME}` and `${file:PATH}` get their values. */
export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => string;
}

/**
 * Reads and checks a configuration file.
 * @throws ConfigError with all mistakes at once, each with its line and its path in the file
 */
export function loadConfig(path: string, env: Sources['env']): Config {
  const readFile = (file: string) => readFileSync(file, 'utf8');
  let text: string;
  try {
    text = readFile(path);
  } catch (cause) {
    throw new ConfigError([`${path}: cannot be read: ${codeOf(cause)}`]);
  }
  return parseConfig(text, path, { env, readFile });
}

/**
 * Checks the text of a configuration.
 * @param label names the file in messages
 * @throws ConfigError
 */
export function parseConfig(text: string, label: string, sources: Sources): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map((error) => `${label}:${lines.linePos(error.pos[0]).line}: ${error.message}`),
    );
  }
  const say = ({ path, message }: ConfigIssue): string => {
    const line = lineOf(document, path, lines);
    return `${label}${line === undefined ? '' : `:${line}`}: ${path.length === 0 ? '' : `${pathText(path)}: `}${message}`;
  };
  const issues: ConfigIssue[] = [];
  const value = substitute(document.toJS() ?? {}, [], sources, issues);
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) issues.push(...parsed.error.issues.flatMap(explain).filter(isNews(issues)));
  issues.push(...crossCheck(value));
  if (parsed.success) issues.push(...storageFaults(parsed.data).filter(isNews(issues)));
  if (issues.length > 0 || !parsed.success) throw new ConfigError([...new Set(issues.map(say))]);
  return parsed.data;
}

/** Settings that contradict what is known of the provider, each with its remedy. */
function storageFaults({ storages }: Config): ConfigIssue[] {
  return storages.flatMap((storage, index) =>
    faultsOf(storage).map(({ setting, message }) => ({ path: ['storages', index, setting], message })),
  );
}

function faultsOf(storage: StorageConfig): readonly { readonly setting: string; readonly message: string }[] {
  if (storage.provider === 'filesystem') return [];
  if (storage.provider !== 'azure') return targetFaults(storage, dialectOverrides(storage));
  return [...accountFaults(storage), ...(storage.delivery === 'proxy' ? [] : deliveryFaults(storage))];
}

type ZodIssue = NonNullable<ReturnType<typeof configSchema.safeParse>['error']>['issues'][number];

function explain(issue: ZodIssue): ConfigIssue[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'is not a known setting' }));
  }
  if (issue.code === 'invalid_type') {
    const isMissing = issue.message.endsWith('received undefined');
    return [{ path: issue.path, message: isMissing ? 'is missing' : `must be ${issue.expected}` }];
  }
  return [
    { path: issue.path, message: issue.message.replace(/^Invalid .*[:.] expected( one of)? /i, 'must be one of ') },
  ];
}

/** What is wrong with a value that could not even be found is no news. */
function isNews(known: readonly ConfigIssue[]): (issue: ConfigIssue) => boolean {
  const places = new Set(known.map(({ path }) => pathText(path)));
  return ({ path }) => !places.has(pathText(path));
}

/** Replaces references in every string. Done after parsing, so that no value can change the file's structure. */
function substitute(value: unknown, path: readonly PropertyKey[], sources: Sources, issues: ConfigIssue[]): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\{(file:)?([^}]*)\}/g, (reference, isFile: string | undefined, name: string) => {
      const found = isFile === undefined ? sources.env[name] : readSecret(name, sources);
      if (found !== undefined) return found;
      const what = isFile === undefined ? `environment variable ${name} is not set` : `file ${name} cannot be read`;
      issues.push({ path, message: what });
      return reference;
    });
  }
  if (Array.isArray(value)) return value.map((item, index) => substitute(item, [...path, index], sources, issues));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, substitute(item, [...path, key], sources, issues)]),
  );
}

/** Secret files usually end in a line feed that is not part of the secret. */
function readSecret(path: string, sources: Sources): string | undefined {
  try {
    return sources.readFile(path).replace(/\r?\n$/, '');
  } catch {
    return undefined;
  }
}

function lineOf(
  document: ReturnType<typeof parseDocument>,
  path: readonly PropertyKey[],
  lines: LineCounter,
): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    const range = (node as { range?: [number, number, number] } | undefined)?.range;
    if (range) return lines.linePos(range[0]).line;
  }
  return undefined;
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`))
    .join('');
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
