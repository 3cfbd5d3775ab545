import { copyFileSync, existsSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inDebian13, ofDebian13, packageOfDebian13 } from '../debian-13.ts';
import { run } from '../process.ts';
import { type ClientScenario, LARGE } from '../scenario.ts';

const GOPATH = '/usr/share/gocode';
const SDK = join(GOPATH, 'src/github.com/aws/aws-sdk-go');

/** A Go compiler with the packages of its distribution. */
interface Compiler {
  readonly program: string;
  /** Where what was compiled stays for the next run, as other tools' does. */
  readonly cache: string;
}

const HERE: Compiler = {
  program: '/usr/bin/go',
  cache: fileURLToPath(new URL('../../../node_modules/.cache/go-build', import.meta.url)),
};

const DEBIAN_13: Compiler = { program: inDebian13('go'), cache: '/var/cache/go-build' };

/** What is missing for a Go program on Debian's aws-sdk-go; none when one can be built. */
export function missingForGo(): readonly string[] {
  return [
    ...(existsSync(HERE.program) ? [] : ['golang-go']),
    ...(existsSync(SDK) ? [] : ['golang-github-aws-aws-sdk-go-dev']),
  ];
}

/** Compiles a program on Debian's Go packages. */
export async function buildGo(source: string, program: string, { program: go, cache } = HERE): Promise<void> {
  // Not every compiler sees the checkout.
  const beside = join(dirname(program), 'main.go');
  copyFileSync(source, beside);
  const env = { GO111MODULE: 'off', GOPATH, GOCACHE: cache, GOFLAGS: '-buildvcs=false', CGO_ENABLED: '0' };
  const built = await run(go, ['build', '-o', program, beside], { env });
  if (built.status !== 0) throw new Error(`${source}: ${built.stderr}`);
}

/** The AWS SDK for Go, version 1. */
export const goSdk: ClientScenario = {
  ...goRound('AWS SDK for Go v1', 'go-round.go', HERE),
  version: async () => {
    const { stdout } = await run('dpkg-query', ['-W', '-f', '${Version}', 'golang-github-aws-aws-sdk-go-dev']);
    return stdout.replace(/-.*/, '');
  },
  lacks: async () => (missingForGo().length > 0 ? `not installed: ${missingForGo().join(', ')}` : false),
};

/** Its successor, and the library that many Go programs use rather than the vendor's. */
export const newerGoClients: readonly ClientScenario[] = [
  ofDebian13(
    {
      ...goRound('AWS SDK for Go v2', 'go-v2-round.go', DEBIAN_13),
      version: () => packageOfDebian13('golang-github-aws-aws-sdk-go-v2-dev'),
    },
    'go',
  ),
  ofDebian13(
    {
      ...goRound('minio-go', 'minio-go-round.go', DEBIAN_13),
      version: () => packageOfDebian13('golang-github-minio-minio-go-v7-dev'),
    },
    'go',
  ),
];

function goRound(name: string, source: string, compiler: Compiler): Omit<ClientScenario, 'version'> {
  return {
    name,
    program: undefined,
    async run(t, { endpoint, accessKey, secretKey, bucket, large = LARGE }) {
      const folder = mkdtempSync(join(tmpdir(), 'go-round-'));
      t.teardown(() => rm(folder, { recursive: true }));
      const program = join(folder, 'round');
      await buildGo(fileURLToPath(new URL(source, import.meta.url)), program, compiler);
      const env = {
        ENDPOINT: endpoint,
        BUCKET: bucket,
        SIZE: String(large),
        ACCESS_KEY: accessKey,
        SECRET_KEY: secretKey,
      };
      const ran = await run(program, [], { env });
      t.equal(ran.stderr, '');
      t.equal(ran.stdout, 'done\n');
      t.equal(ran.status, 0);
    },
  };
}
