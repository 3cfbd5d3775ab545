import { ConfigError } from '../config/config-error.ts';
import { type ConfigOptions, findConfig } from '../config/find.ts';
import { parseListen, urlHost } from '../config/listen.ts';
import type { Config } from '../config/schema.ts';

/** What an S3 client must know to use the gateway. */
export interface Access {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

/**
 * Any region works here. awscli and boto3 presign with SigV2, which is off unless listed, in regions that they know to
 * be older than SigV4, us-east-1 among them; this one is younger.
 */
const REGION = 'eu-central-1';

type Writer = (variables: readonly (readonly [name: string, value: string])[]) => string;

const singleQuoted = (value: string) => `'${value.replaceAll("'", `'\\''`)}'`;
const lines = (write: (name: string, value: string) => string): Writer => {
  return (variables) => variables.map(([name, value]) => write(name, value)).join('\n');
};

/** How each shell or file says that a variable has a value. */
export const ENV_FORMATS = {
  sh: lines((name, value) => `export ${name}=${singleQuoted(value)}`),
  fish: lines((name, value) => `set -gx ${name} '${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`),
  powershell: lines((name, value) => `$env:${name} = '${value.replaceAll("'", "''")}'`),
  dotenv: lines(
    (name, value) => `${name}=${/^[\w./:+-]*$/.test(value) ? value : `"${value.replace(/["\\$]/g, '\\$&')}"`}`,
  ),
  json: (variables) => JSON.stringify(Object.fromEntries(variables), null, 2),
} satisfies Readonly<Record<string, Writer>>;

export type EnvFormat = keyof typeof ENV_FORMATS;

/** The variables that AWS' SDKs and tools read, in the syntax of `format`. */
export function renderEnv({ endpoint, accessKey, secretKey }: Access, format: EnvFormat): string {
  return ENV_FORMATS[format]([
    ['AWS_ENDPOINT_URL', endpoint],
    ['AWS_ACCESS_KEY_ID', accessKey],
    ['AWS_SECRET_ACCESS_KEY', secretKey],
    ['AWS_REGION', REGION],
    ['AWS_DEFAULT_REGION', REGION],
  ]);
}

export interface EnvOptions extends ConfigOptions {
  readonly credential?: string;
  readonly format: EnvFormat;
}

/**
 * Prints the variables for one credential of the configuration.
 * @throws ConfigError when there is no such credential
 */
export function printEnv(options: EnvOptions, env: Readonly<Record<string, string | undefined>>): void {
  const { config } = findConfig(options, env);
  const { credential: name } = options;
  const credential =
    name === undefined ? config.credentials[0] : config.credentials.find((candidate) => candidate.name === name);
  if (credential === undefined) {
    const known = config.credentials.map((candidate) => candidate.name).join(', ');
    throw new ConfigError([
      name === undefined ? 'no credential is configured' : `no credential is named ${name}: there are ${known}`,
    ]);
  }
  const endpoint = endpointOf(config);
  process.stdout.write(`${renderEnv({ endpoint, ...credential }, options.format)}\n`);
}

function endpointOf(config: Config): string {
  const { host, port } = parseListen(config.listen);
  return `${config.tls ? 'https' : 'http'}://${urlHost(host)}:${port}`;
}
