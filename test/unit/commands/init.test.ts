import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import {
  normalise,
  problemsOf,
  problemsSoFar,
  type Surroundings,
  writeDocument,
} from '../../../src/commands/init/document.ts';
import { type Answers, exampleEndpoint, fieldsOf, OPTIONS, PROVIDERS } from '../../../src/commands/init/fields.ts';
import { interview } from '../../../src/commands/init/interview.ts';
import { type Prompter, terminalPrompter } from '../../../src/commands/init/prompt.ts';
import { type InitOptions, init } from '../../../src/commands/init.ts';
import { ConfigError } from '../../../src/config/config-error.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { VENDORS } from '../../../src/upstream/vendors.ts';

const NOWHERE: Surroundings = {
  env: {},
  readFile: () => {
    throw new Error('ENOENT');
  },
};

const CLIENT = { clientAccessKey: 'CLIENTKEY', clientSecretKey: 'secret-of-the-client' };
const OSS: Answers = {
  provider: 'oss',
  name: 'oss',
  endpoint: 'oss-cn-shanghai.aliyuncs.com',
  accessKey: 'AK',
  secretKey: 'SK',
  ...CLIENT,
};

/** Somebody who answers each question as a table says, in turn, and remembers what was asked. */
function answering(table: Readonly<Record<string, readonly string[]>>) {
  const asked: string[] = [];
  const told: string[] = [];
  const secrets: string[] = [];
  const left = new Map(Object.entries(table).map(([start, answers]) => [start, [...answers]]));
  const prompter: Prompter = {
    ask: async (question, { isSecret }) => {
      asked.push(question);
      if (isSecret) secrets.push(question);
      const found = [...left].find(([start]) => question.startsWith(start));
      return found?.[1].shift() ?? '';
    },
    tell: (text) => void told.push(text),
    close: () => undefined,
  };
  return { prompter, asked, told, secrets };
}

const read = (text: string, env = {}) => parseConfig(text, 'f', { ...NOWHERE, env });

t.test('a default storage is not said to answer for more than its own bucket', async (t) => {
  const alone = writeDocument({ ...OSS, default: 'yes' }, '');
  t.match(alone, /^ {4}default: true # answers for buckets that nothing else names$/m);
  const bound = writeDocument({ ...OSS, bucket: 'ci-artifacts', default: 'yes' }, '');
  t.match(bound, /^ {4}default: true # .*, once it has no `bucket` of its own$/m);
});

t.test('what is written says what was answered, and everything it offers to uncomment is right', async (t) => {
  const answers = { ...OSS, bucket: 'ci-artifacts', prefix: 'zadig/', default: 'yes' };
  const text = writeDocument(answers, 'config/sluice.schema.json');
  t.match(text, /^# yaml-language-server: \$schema=config\/sluice\.schema\.json\n/);
  t.match(text, '# region: cn-shanghai # as endpoint and provider say');
  t.match(read(text), {
    listen: '127.0.0.1:9000',
    credentials: [{ accessKey: 'CLIENTKEY', secretKey: 'secret-of-the-client' }],
    storages: [
      { name: 'oss', provider: 'oss', bucket: 'ci-artifacts', prefix: 'zadig/', default: true, secretKey: 'SK' },
    ],
  });
  const all = text.replaceAll(/^( *)# (\w+: [{[])/gm, '$1$2');
  t.notSame(all, text);
  t.match(read(all, { SLUICE_ADMIN_TOKEN: 'a-token-of-some-length' }), {
    tls: {},
    buckets: [{ storage: 'oss', cache: 'zadig' }],
    cleanup: { schedule: '0 3 * * *' },
    admin: { token: 'a-token-of-some-length' },
    credentials: [{ access: [{ bucket: 'build-cache' }] }],
  });
});

t.test('any text comes back as it was, and a reference stays one', async (t) => {
  for (const secretKey of [
    'true',
    'null',
    '~',
    '1e5',
    '0x10',
    ' a: b # c',
    '"',
    "'",
    '\\',
    '{',
    '- x',
    'ä日\u{1f600}',
    'a\nb',
    '%',
    '@x',
    'x:',
    '&a',
    '*a',
    '!t',
  ]) {
    t.match(read(writeDocument({ ...OSS, secretKey }, '')), { storages: [{ secretKey }] }, JSON.stringify(secretKey));
  }
  const text = writeDocument({ ...OSS, secretKey: '${OSS_SK}' }, '');
  t.match(read(text, { OSS_SK: 'from outside' }), { storages: [{ secretKey: 'from outside' }] });
});

t.test('a URL is split, and a prefix ends where a folder does', async (t) => {
  t.match(normalise({ endpoint: 'https://Host.example:1/' }), { endpoint: 'Host.example:1', protocol: 'https' });
  t.match(normalise({ endpoint: 'HTTP://host' }), { endpoint: 'host', protocol: 'http' });
  t.match(normalise({ endpoint: 'host:1' }), { endpoint: 'host:1', protocol: undefined });
  t.match(normalise({ default: 'N' }), { default: 'no' });
  const prefixes = { zadig: 'zadig/', ' /a/b ': 'a/b/', 'a/': 'a/', '': '', '/': '' };
  for (const [prefix, wanted] of Object.entries(prefixes)) t.equal(normalise({ prefix }).prefix, wanted, prefix);
});

t.test('what the gateway would refuse is told by option; keys that are elsewhere may be missing here', async (t) => {
  const problems = (answers: Answers, surroundings = NOWHERE) =>
    problemsOf(writeDocument(answers, ''), answers, surroundings).map(({ name, message }) => `${name}: ${message}`);
  t.same(problems(OSS), []);
  t.same(problems({ ...OSS, accessKey: '${AK}', secretKey: '${file:/run/secrets/sk}' }), []);
  t.same(problems({ ...OSS, clientSecretKey: '${SHORT}' }, { ...NOWHERE, env: { SHORT: 'x' } }), [
    'clientSecretKey: must have at least 8 characters',
  ]);
  t.same(problems({ ...OSS, bucket: '${BUCKET}' }), ['bucket: environment variable BUCKET is not set']);
  t.same(problems({ ...OSS, endpoint: 'tos-cn-beijing.volces.com', provider: 'tos' }), [
    'endpoint: tos-cn-beijing.volces.com does not speak S3; use tos-s3-cn-beijing.volces.com',
  ]);
  t.same(problems({ provider: 'azure', name: 'a', connectionString: '${CONNECTION}', ...CLIENT }), []);
  t.same(
    problems({ provider: 'azure', name: 'a', connectionString: 'AccountName=acc;AccountKey=${K}', ...CLIENT }),
    [],
  );
  t.same(
    problemsSoFar({ provider: 'minio', endpoint: 'host' }, NOWHERE),
    [],
    'what is still to come is taken to be right',
  );
});

t.test('every provider has its questions, each an option, and an endpoint to show or none', async (t) => {
  t.same(PROVIDERS, [...Object.keys(VENDORS), 'azure', 'filesystem']);
  for (const provider of PROVIDERS) {
    const names = fieldsOf(provider).map(({ name }) => name);
    t.ok(names.includes('bucket') && names.every((name) => name in OPTIONS), provider);
    const endpoint = exampleEndpoint(provider);
    if (endpoint === undefined) continue;
    const answers = { ...OSS, provider, endpoint };
    t.same(problemsOf(writeDocument(answers, ''), answers, NOWHERE), [], `${provider} ${endpoint}`);
  }
  t.equal(exampleEndpoint('oss'), 's3.oss-cn-hangzhou.aliyuncs.com');
});

t.test('asks for what was not said, again for what was wrong, and for a region only where it must', async (t) => {
  const { prompter, asked, told, secrets } = answering({
    Provider: ['alibaba', 'aws'],
    Endpoint: ['', 'http://s3.amazonaws.com/bucket', 'https://s3-accelerate.amazonaws.com'],
    Region: ['', 'eu-west-1'],
    'Access key,': [],
    'Access key for clients': ['CLIENTKEY'],
    'Access key': ['AK'],
    'Secret key for clients': ['short', 'secret-of-the-client'],
    'Secret key': ['${AWS_SK}'],
    Bucket: ['No', 'artifacts'],
    'Storage path': ['/builds'],
    'Use it': ['perhaps', 'no'],
  });
  const answers = await interview({}, prompter, NOWHERE);
  t.same(answers, {
    provider: 'aws',
    endpoint: 's3-accelerate.amazonaws.com',
    protocol: 'https',
    region: 'eu-west-1',
    accessKey: 'AK',
    secretKey: '${AWS_SK}',
    bucket: 'artifacts',
    prefix: 'builds/',
    default: 'no',
    ...CLIENT,
  });
  t.same(
    secrets.map((question) => question.split(' (')[0]),
    ['Secret key', 'Secret key for clients', 'Secret key for clients'],
  );
  t.notOk(asked.some((question) => /^(Protocol|Addressing|Name)/.test(question)));
  t.match(told, [
    /alibaba is none/,
    /is needed/,
    /must be host/,
    /does not tell the region/,
    /does not tell/,
    /bucket name/,
    /yes or no/,
    /8 char/,
  ]);
  t.match(
    asked.find((question) => question.startsWith('Endpoint')),
    's3.us-east-1.amazonaws.com',
  );
});

t.test('asks nothing that was said, and of other providers what they need', async (t) => {
  const folder = answering({});
  const given = { bucket: '', prefix: '', default: 'yes', clientAccessKey: undefined };
  t.match(await interview({ ...given, provider: 'filesystem' }, folder.prompter, NOWHERE), { path: './sluice-data' });
  t.match(folder.asked, [/^Folder \[\.\/sluice-data\]/, /^Access key for clients/]);
  const azure = answering({ 'Storage account': ['account'], 'Shared access': ['sv=1&sig=x'] });
  t.match(await interview({ ...given, provider: 'azure' }, azure.prompter, NOWHERE), {
    connectionString: undefined,
    account: 'account',
    accountKey: undefined,
    sas: 'sv=1&sig=x',
    protocol: 'https',
  });
  t.same(azure.secrets.length, 3);
  const virtual = answering({ Addressing: ['domain'] });
  const oss = { ...given, ...OSS, endpoint: '10.0.0.1', protocol: 'http' };
  t.match(await interview(oss, virtual.prompter, NOWHERE), { addressing: 'domain' });
  t.match(virtual.told, [/virtual needs a host name/]);
});

t.test('without a terminal, everything that is missing or wrong is told at once, by option', async (t) => {
  const cases: readonly (readonly [InitOptions, readonly RegExp[]])[] = [
    [{}, [/^--provider: is missing \(aws oss .* azure filesystem\)$/]],
    [{ provider: 'alibaba' }, [/^--provider: must be one of aws/]],
    [{ provider: 'oss' }, [/^--endpoint: is missing$/, /^--access-key: is missing$/, /^--secret-key: is missing$/]],
    [
      { provider: 'oss', endpoint: 'h/x', protocol: 'ftp', accessKey: 'a', secretKey: 'b', bucket: 'X' },
      [/^--bucket: is not a bucket name/, /^--endpoint: must be host/, /^--protocol: must be one of /],
    ],
    [{ provider: 'azure' }, [/^--account-key: is missing: give it, or sas$/, /^--account: is missing$/]],
    [
      { provider: 'azure', account: 'acc', accountKey: 'a2V5', accessKey: 'x' },
      [/^--access-key: is not for azure, which takes /],
    ],
    [{ provider: 'filesystem', endpoint: 'h' }, [/^--endpoint: is not for filesystem, which takes .*--path/]],
    [
      {
        provider: 'other',
        endpoint: 'https://h',
        protocol: 'http',
        accessKey: 'a',
        secretKey: 'b',
        clientSecretKey: 'short',
      },
      [/^--protocol: is http, and the endpoint begins with https$/, /^--client-access-key: is missing/, /at least 8/],
    ],
  ];
  const config = join(t.testdir(), 'sluice.yaml');
  for (const [options, expected] of cases) {
    const failure = await init({ config, ...options }, {}, new PassThrough()).catch((error: unknown) => error);
    if (!(failure instanceof ConfigError)) t.fail(`no ConfigError: ${failure}`);
    else t.match(failure.problems, expected);
  }
  t.notOk(existsSync(config));
});

t.test('at a terminal a secret is not shown, nor called up again; and who leaves, leaves nothing', async (t) => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const shown: string[] = [];
  output.on('data', (chunk: Buffer) => shown.push(chunk.toString()));
  const prompter = terminalPrompter(input, output);
  const type = async (question: string, isSecret: boolean, keys: string) => {
    const answer = prompter.ask(question, { isSecret });
    input.write(keys);
    return answer;
  };
  t.equal(await type('Endpoint', false, 'host:1\r'), 'host:1');
  t.equal(await type('Secret key', true, 'hush-hushX\u007f\r'), 'hush-hush');
  t.equal(await type('Bucket', false, '\u001b[A\r'), '', 'arrow up finds nothing');
  t.match(shown.join(''), /Endpoint: .*host:1/s);
  t.match(shown.join(''), /Secret key: \n/);
  t.notMatch(shown.join(''), 'hush');
  await t.rejects(type('Prefix', false, '\u0003'), { message: 'nothing was written' });
  await t.rejects(prompter.ask('Prefix', { isSecret: false }), { message: 'nothing was written' });
  prompter.close();
});
