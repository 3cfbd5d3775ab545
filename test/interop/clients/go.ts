import { existsSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../process.ts';
import { type ClientScenario, LARGE } from '../scenario.ts';

const GOPATH = '/usr/share/gocode';
const SDK = join(GOPATH, 'src/github.com/aws/aws-sdk-go');
const SOURCE = fileURLToPath(new URL('go-round.go', import.meta.url));
/** What was compiled stays for the next run, as other tools' do. */
const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/go-build', import.meta.url));

/** What is missing for a Go program on Debian's aws-sdk-go; none when one can be built. */
export function missingForGo(): readonly string[] {
  return [
    ...(existsSync('/usr/bin/go') ? [] : ['golang-go']),
    ...(existsSync(SDK) ? [] : ['golang-github-aws-aws-sdk-go-dev']),
  ];
}

/** Compiles a program on Debian's Go packages. */
export async function buildGo(source: string, program: string): Promise<void> {
  const env = { GO111MODULE: 'off', GOPATH, GOCACHE: CACHE, GOFLAGS: '-buildvcs=false' };
  const built = await run('/usr/bin/go', ['build', '-o', program, source], { env });
  if (built.status !== 0) throw new Error(`${source}: ${built.stderr}`);
}

/** The AWS SDK for Go, version 1. */
export const goSdk: ClientScenario = {
  name: 'AWS SDK for Go v1',
  program: undefined,
  version: async () => {
    const { stdout } = await run('dpkg-query', ['-W', '-f', '${Version}', 'golang-github-aws-aws-sdk-go-dev']);
    return stdout.replace(/-.*/, '');
  },
  lacks: async () => (missingForGo().length > 0 ? `not installed: ${missingForGo().join(', ')}` : false),
  async run(t, { endpoint, accessKey, secretKey, bucket, large = LARGE }) {
    const folder = mkdtempSync(join(tmpdir(), 'go-round-'));
    t.teardown(() => rm(folder, { recursive: true }));
    const program = join(folder, 'round');
    await buildGo(SOURCE, program);
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
