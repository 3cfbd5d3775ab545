import { ConfigError } from '../../config/config-error.ts';
import { parseConfig } from '../../config/load.ts';
import { resolveTarget } from '../../upstream/target.ts';
import { type Answers, fieldsOf, OPTIONS, type OptionName } from './fields.ts';

/** The answers, made what a configuration takes: a pasted URL is split, and a prefix ends where a folder does. */
export function normalise(answers: Answers): Answers {
  const url = /^(https?):\/\/(.+?)\/?$/i.exec(answers.endpoint ?? '');
  const protocol = answers.protocol ?? url?.[1]?.toLowerCase();
  const prefix = answers.prefix?.trim().replace(/^\/+/, '');
  const decision = SHORT[answers.default?.toLowerCase() ?? ''];
  return {
    ...answers,
    ...(decision !== undefined && { default: decision }),
    ...(url?.[2] !== undefined && { endpoint: url[2] }),
    ...(protocol !== undefined && { protocol }),
    ...(prefix !== undefined && { prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/` }),
  };
}

const SHORT: Readonly<Record<string, string>> = { y: 'yes', n: 'no' };

/** The settings of a storage's entry, in the order in which they are written. */
const SETTINGS: readonly OptionName[] = [
  'name',
  'provider',
  'endpoint',
  'protocol',
  'region',
  'addressing',
  'account',
  'accountKey',
  'sas',
  'connectionString',
  'accessKey',
  'secretKey',
  'path',
  'bucket',
  'prefix',
];

const COMMENTS: Readonly<Partial<Record<OptionName, string>>> = {
  bucket: 'the one bucket used here',
  prefix: 'goes before every key',
};

/** A default storage that names a bucket answers for that one only. */
function defaultComment({ bucket = '' }: Answers): string {
  const meaning = 'answers for buckets that nothing else names';
  return bucket === '' ? meaning : `${meaning}, once it has no \`bucket\` of its own`;
}

/** Where clients connect: 9000, with the admin port behind it, unless the storage is there, as a MinIO on this machine is. */
export function portOf({ endpoint = '' }: Answers): number {
  return /^(localhost|127\.0\.0\.1|\[::1\]):900[01](\/|$)/i.test(endpoint) ? 9010 : 9000;
}

/**
 * The text of a configuration, with comments, and with settings to uncomment.
 * @param schema where the JSON Schema is, seen from the file
 */
export function writeDocument(answers: Answers, schema: string): string {
  const settings = SETTINGS.flatMap((name) => {
    const value = answers[name];
    if (value !== undefined && value !== '') return [line(name, scalar(value), COMMENTS[name])];
    const region = name === 'region' ? derivedRegion(answers) : undefined;
    return region === undefined ? [] : [`# region: ${region} # as endpoint and provider say`];
  });
  if (answers.default !== 'no') settings.push(line('default', 'true', defaultComment(answers)));
  return `# yaml-language-server: $schema=${schema}
#
# Made by \`sluice init\`. It holds secrets, so keep it readable by yourself alone. \${NAME} takes an environment variable,
# \${file:PATH} a file's content. \`sluice check\` tries it out; a running gateway takes up what is changed here.

# Where S3 clients connect. Set a certificate before you listen on more than this machine.
listen: 127.0.0.1:${portOf(answers)}
# tls: { cert: /etc/sluice/tls.crt, key: /etc/sluice/tls.key }

# Who may call. This is a key of Sluice's own: those of the storage never reach a client.
credentials:
  - name: local
    accessKey: ${scalar(answers.clientAccessKey ?? '')}
    secretKey: ${scalar(answers.clientSecretKey ?? '')}
    # access: [{ bucket: build-cache, allow: [read, list] }] # without it: everything

# Where the bytes are.
storages:
  - ${settings.join('\n    ')}

# What clients see, where that differs from what the storage has; \`cache\` keeps it near them (docs/cache.md).
# buckets: [{ name: build-cache, storage: ${scalar(answers.name ?? '')}, prefix: cache/, cache: zadig }]

# Removes uploads in parts that were given up (docs/cleanup.md).
# cleanup: { schedule: "0 3 * * *", incompleteUploads: 6d }

# The admin port. Without a token one is made at each start, and printed.
# admin: { listen: 127.0.0.1:${portOf(answers) + 1}, token: "\${SLUICE_ADMIN_TOKEN}" }
`;
}

function line(name: string, value: string, comment?: string): string {
  return `${name}: ${value}${comment === undefined ? '' : ` # ${comment}`}`;
}

/** A text as YAML: plain where nobody could take it for anything else. JSON's strings are YAML's. */
function scalar(text: string): string {
  const isPlain = /^[A-Za-z][A-Za-z0-9._/-]*(:\d+)?$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}

function derivedRegion(answers: Answers): string | undefined {
  const { endpoint = '', provider = '' } = answers;
  if (fieldsOf(provider).every(({ name }) => name !== 'region') || endpoint.includes('${')) return undefined;
  const settings = { name: '', protocol: 'https', accessKey: '', secretKey: '', endpoint } as const;
  // A provider with a region is a row of the table.
  return resolveTarget({ ...settings, provider: provider as Parameters<typeof resolveTarget>[0]['provider'] }, {})
    .region;
}

/** One thing wrong with the answers. */
export interface Problem {
  /** The option it is about; undefined for what no option sets. */
  readonly name: OptionName | undefined;
  readonly message: string;
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => string;
}

/** What is wrong with a document, as the gateway would say at its start. Secrets that are elsewhere may be missing yet. */
export function problemsOf(text: string, answers: Answers, { env, readFile }: Surroundings): readonly Problem[] {
  const missing = new Map(missingReferences(answers, { env, readFile }).map((each) => [each.reference, each.standIn]));
  try {
    parseConfig(text, FILE, {
      env: { ...env, ...Object.fromEntries(missing) },
      readFile: (path) => missing.get(`file:${path}`) ?? readFile(path),
    });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(toProblem);
    throw error;
  }
}

/** What is wrong with what was said so far. Keys that are still to come are taken to be right. */
export function problemsSoFar(answers: Answers, surroundings: Surroundings): readonly Problem[] {
  const isKnown = (name: OptionName): boolean => fieldsOf(answers.provider ?? '').some((field) => field.name === name);
  const later = Object.fromEntries(LATER.flatMap((name) => (isKnown(name) ? [[name, 'still-to-come'] as const] : [])));
  const said = Object.fromEntries(Object.entries(answers).filter(([, value]) => value !== undefined));
  const whole: Answers = { name: answers.provider, ...later, ...said };
  return problemsOf(writeDocument(whole, ''), whole, surroundings);
}

const LATER: readonly OptionName[] = ['accessKey', 'secretKey', 'clientAccessKey', 'clientSecretKey'];
const FILE = 'answers';

function toProblem(problem: string): Problem {
  const [, section, setting = '', message = problem] =
    /^answers(?::\d+)?: (?:(storages|credentials)\[0\]\.(\w+): )?(.*)$/s.exec(problem) ?? [];
  const name =
    section === 'credentials'
      ? ({ accessKey: 'clientAccessKey', secretKey: 'clientSecretKey' } as const)[setting]
      : setting;
  return Object.hasOwn(OPTIONS, name ?? '') ? { name: name as OptionName, message } : { name: undefined, message };
}

/** A reference in a secret, or in an account's name, to what is not here: it may be there where the gateway runs. */
export interface MissingReference {
  /** `NAME` or `file:PATH`. */
  readonly reference: string;
  readonly standIn: string;
}

const SECRETS: readonly OptionName[] = [
  'accessKey',
  'secretKey',
  'account',
  'accountKey',
  'sas',
  'connectionString',
  'clientAccessKey',
  'clientSecretKey',
];
const STAND_IN = 'placeholder0';

/** The references of these answers that cannot be followed here. */
export function missingReferences(answers: Answers, { env, readFile }: Surroundings): readonly MissingReference[] {
  return SECRETS.flatMap((name) => {
    const value = answers[name] ?? '';
    return [...value.matchAll(/\$\{([^}]*)\}/g)].flatMap(([whole, reference = '']) => {
      const isThere = reference.startsWith('file:')
        ? isReadable(reference.slice('file:'.length), readFile)
        : env[reference] !== undefined;
      const isAll = name === 'connectionString' && value === whole;
      const standIn = isAll ? `AccountName=${STAND_IN};AccountKey=${STAND_IN}` : STAND_IN;
      return isThere ? [] : [{ reference, standIn }];
    });
  });
}

function isReadable(path: string, readFile: Surroundings['readFile']): boolean {
  try {
    readFile(path);
    return true;
  } catch {
    return false;
  }
}
