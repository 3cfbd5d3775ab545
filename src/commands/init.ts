import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '../config/config-error.ts';
import { newCredential } from '../config/credential.ts';
import {
  missingReferences,
  normalise,
  type Problem,
  portOf,
  problemsOf,
  type Surroundings,
  writeDocument,
} from './init/document.ts';
import { type Answers, fieldsOf, OPTIONS, type OptionName, PROVIDERS } from './init/fields.ts';
import { interview } from './init/interview.ts';
import { terminalPrompter } from './init/prompt.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface InitOptions extends Omit<Answers, 'default'> {
  readonly config?: string;
  readonly force?: true;
  readonly default?: boolean;
}

/**
 * Writes a configuration from options, and from answers where a terminal can be asked. Nothing is written unless the
 * gateway would start with it.
 * @throws ConfigError with everything that is missing or wrong, and when the file is there already
 */
export async function init(options: InitOptions, env: Env, input: Input = process.stdin): Promise<void> {
  const { config, force, default: isDefault, ...words } = options;
  const file = config ?? (env.SLUICE_CONFIG || 'sluice.yaml');
  if (force !== true && existsSync(file)) throw isThere(file);
  const surroundings: Surroundings = { env, readFile: (path) => readFileSync(path, 'utf8') };
  const given = normalise({ ...words, ...(isDefault !== undefined && { default: isDefault ? 'yes' : 'no' }) });
  const contradicted = contradictions(given, words);
  refuse(input.isTTY === true ? contradicted : providerProblems(given));
  const whole = complete(input.isTTY === true ? await askFor(given, input, surroundings) : given);
  const text = writeDocument(whole, schemaFrom(file));
  refuse([...contradicted, ...problemsOf(text, whole, surroundings).map(problemText)]);
  await save(file, text, force === true);
  process.stdout.write(nextSteps(file, whole, { env, surroundings, config }));
}

/** Where answers come from: a terminal can be asked. */
type Input = Readable & { readonly isTTY?: boolean };

async function askFor(given: Answers, input: Input, surroundings: Surroundings): Promise<Answers> {
  const prompter = terminalPrompter(input, process.stderr);
  try {
    return await interview(given, prompter, surroundings);
  } finally {
    prompter.close();
  }
}

/** Options that say two things, or nothing that this provider knows. */
function contradictions(given: Answers, words: Omit<Answers, 'default'>): string[] {
  const { provider } = given;
  const problems: string[] = [];
  const scheme = /^(https?):/i.exec(words.endpoint ?? '')?.[1]?.toLowerCase();
  if (scheme !== undefined && words.protocol !== undefined && words.protocol !== scheme) {
    problems.push(`--protocol: is ${words.protocol}, and the endpoint begins with ${scheme}`);
  }
  if (words.clientSecretKey !== undefined && words.clientAccessKey === undefined) {
    problems.push('--client-access-key: is missing, and --client-secret-key is given');
  }
  if (provider === undefined || !PROVIDERS.includes(provider)) return problems;
  const known = new Set<OptionName>(['provider', ...fieldsOf(provider).map(({ name }) => name)]);
  const fits = [...known].flatMap((name) => (name === 'provider' ? [] : [OPTIONS[name].flag]));
  // Object.keys says string[]; these are the table's own names.
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    if (given[name] === undefined || known.has(name)) continue;
    problems.push(`${OPTIONS[name].flag}: is not for ${provider}, which takes ${fits.join(' ')}`);
  }
  return problems;
}

function providerProblems({ provider }: Answers): string[] {
  if (provider === undefined) return [`--provider: is missing (${PROVIDERS.join(' ')})`];
  return PROVIDERS.includes(provider) ? [] : [`--provider: must be one of ${PROVIDERS.join(' ')}`];
}

/** The provider's answers with what is taken where nothing was said, and a key for clients. */
function complete(answers: Answers): Answers {
  const fields = fieldsOf(answers.provider ?? '');
  const fallbacks = fields.flatMap(({ name, fallback, isWanted }) =>
    fallback === undefined || isWanted?.(answers) === false ? [] : [[name, fallback] as const],
  );
  const said = (['provider', ...fields.map(({ name }) => name)] as const).flatMap((name) =>
    answers[name] === undefined ? [] : [[name, answers[name]] as const],
  );
  const { accessKey: clientAccessKey, secretKey: clientSecretKey } = newCredential();
  const key = answers.clientAccessKey === undefined ? { clientAccessKey, clientSecretKey } : {};
  return { ...Object.fromEntries(fallbacks), ...key, ...Object.fromEntries(said) };
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new ConfigError([...new Set(problems)]);
}

function problemText({ name, message }: Problem): string {
  return name === undefined ? message : `${OPTIONS[name].flag}: ${message}`;
}

function isThere(file: string): ConfigError {
  return new ConfigError([`${file}: is there already; --force replaces it`]);
}

/** For editors: beside the file by its path, elsewhere as a URL. */
function schemaFrom(file: string): string {
  const schema = join(import.meta.dirname, '../../config/sluice.schema.json');
  const near = relative(dirname(resolve(file)), schema);
  return near.startsWith('..') ? pathToFileURL(schema).href : near;
}

/** Readable by its owner alone, and there as a whole or not at all: a running gateway may be watching. */
async function save(file: string, text: string, isForced: boolean): Promise<void> {
  const draft = isForced ? `${file}.${randomBytes(6).toString('hex')}` : file;
  try {
    await writeFile(draft, text, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!isForced && error instanceof Error && 'code' in error && error.code === 'EEXIST') throw isThere(file);
    throw error;
  }
  if (!isForced) return;
  try {
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

function nextSteps(
  file: string,
  answers: Answers,
  {
    env,
    surroundings,
    config,
  }: { readonly env: Env; readonly surroundings: Surroundings; readonly config?: string | undefined },
): string {
  const command = env.npm_lifecycle_event === 'sluice' ? 'npm run sluice --' : 'sluice';
  const where = config === undefined ? '' : ` --config ${config}`;
  const missing = missingReferences(answers, surroundings).map(({ reference }) => reference);
  const waits =
    missing.length === 0 ? '' : `\nIt refers to what is not here yet: ${[...new Set(missing)].join(', ')}\n`;
  return `${file} is written, for you alone to read.
${waits}
Next:

  ${command} check${where}    tries the storage live
  ${command} serve${where}    runs the gateway on http://127.0.0.1:${portOf(answers)}
  ${command} env${where}      prints what points an S3 client at it
`;
}
