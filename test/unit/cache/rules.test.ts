import t from 'tap';
import { PRESETS } from '../../../src/cache/presets.ts';
import { compileRules } from '../../../src/cache/rules.ts';

const modeOf = (preset: keyof typeof PRESETS, key: string) => compileRules(preset, PRESETS[preset])(key).mode;

t.test('globs: * and ? stop at a slash, ** does not, all else is itself', (t) => {
  const rules = compileRules('test', [
    { match: 'a/*.tar.gz', mode: 'immutable' },
    { match: '**/deep/?', mode: 'ttl', maxAge: 1000 },
    { match: 'x(1)+[2]', mode: 'bypass' },
    { match: 'logs/**', mode: 'exclusive' },
  ]);
  const cases: readonly (readonly [string, string])[] = [
    ['a/b.tar.gz', 'immutable'],
    ['a/b/c.tar.gz', 'revalidate'],
    ['a/bxtarxgz', 'revalidate'],
    ['deep/1', 'ttl'],
    ['one/two/deep/1', 'ttl'],
    ['one/deep/12', 'revalidate'],
    ['notdeep/1', 'revalidate'],
    ['x(1)+[2]', 'bypass'],
    ['logs/a\nb', 'exclusive'],
    ['logs', 'revalidate'],
  ];
  for (const [key, mode] of cases) t.equal(rules(key).mode, mode, key);
  t.end();
});

t.test('C5 presets know what is overwritten among what is named by its content', (t) => {
  const cases: readonly (readonly [keyof typeof PRESETS, string, string])[] = [
    ['zadig', 'sub/wf/cache/svc/mod/zadig-build-cache.tar.gz', 'revalidate'],
    ['zadig', 'wf/svc/cache/reaper.tar.gz', 'revalidate'],
    ['zadig', 'cache/go-v1.22/go.tar.gz', 'immutable'],
    ['zadig', 'wf/cache/svc-v2/zadig-build-cache.tar.gz', 'revalidate'],
    ['zadig', '.zadig-validate-test', 'bypass'],
    ['zadig', 'wf/1/log/build.log', 'bypass'],
    ['gitlab-runner', 'project/1/key', 'revalidate'],
    ['actions-cache', 'cache/o/r/sha/key', 'revalidate'],
    ['sccache', '.sccache_check', 'revalidate'],
    ['sccache', 'p/.sccache_check', 'revalidate'],
    ['sccache', 'p/a/b/c/abc123', 'immutable'],
    ['bazel-remote', 'p/cas.v2/aa/aabb', 'immutable'],
    ['bazel-remote', 'ac/aa/aabb', 'revalidate'],
    ['buildkit', 'p/blobs/sha256:aa', 'immutable'],
    ['buildkit', 'manifests/main', 'revalidate'],
    ['docker-registry', 'docker/registry/v2/blobs/sha256/aa/aabb/data', 'immutable'],
    ['docker-registry', 'docker/registry/v2/repositories/a/_manifests/tags/latest/current/link', 'revalidate'],
    ['docker-registry', 'docker/registry/v2/repositories/a/_uploads/1/data', 'revalidate'],
    ['gradle', 'ab', 'immutable'],
    ['nx', 'ab.tar.gz', 'immutable'],
    ['turborepo', 'team/ab', 'immutable'],
    ['restic', 'repo/data/ab/abcd', 'immutable'],
    ['restic', 'repo/locks/ab', 'bypass'],
    ['restic', 'repo/config', 'revalidate'],
    ['nix', 'nar/ab.nar.xz', 'immutable'],
    ['nix', 'ab.narinfo', 'revalidate'],
    ['nix', 'nix-cache-info', 'revalidate'],
    ['zenml', 'p/code_uploads/3f2a.tar.gz', 'immutable'],
    ['zenml', 'p/step/logs/1.log', 'bypass'],
    ['zenml', 'p/step/output/56f3cb04-38b4-574c-bffb-af1426113194/0a1b2c3d/data.json', 'revalidate'],
    ['score', 'data/56f3cb04-38b4-574c-bffb-af1426113194', 'immutable'],
    ['score', 'data/56f3cb04-38b4-574c-bffb-af1426113194.meta', 'bypass'],
    ['score', 'upload/x/part-00000001', 'bypass'],
  ];
  for (const [preset, key, mode] of cases) t.equal(modeOf(preset, key), mode, `${preset}: ${key}`);
  t.end();
});

t.test('ZenML is never told what was there before the line went down, but for what no other run writes', (t) => {
  const rules = compileRules('zenml', PRESETS.zenml);
  t.equal(rules('p/step').staleIfError, 0);
  t.not(rules('p/step/output/56f3cb04-38b4-574c-bffb-af1426113194/0a1b2c3d/data.json').staleIfError, 0);
  t.end();
});
