import { readFileSync } from 'node:fs';
import t from 'tap';
import { PRESETS } from '../../src/cache/presets.ts';
import { compileRules, type RuleSet } from '../../src/cache/rules.ts';
import { parseConfig } from '../../src/config/load.ts';

/** What may be kept of Zadig, ZenML and Overture Score, by the rules of the examples in `config`. */

function exampleRules(name: string, bucket: string): RuleSet {
  const text = readFileSync(new URL(`../../config/${name}.yaml`, import.meta.url), 'utf8');
  const env = new Proxy<Record<string, string>>({}, { get: (_, key) => `value-of-${String(key)}` });
  const config = parseConfig(text, name, { env, readFile: () => '' });
  const set = config.buckets.find((entry) => entry.name === bucket)?.cache ?? 'off';
  const rules = config.cache.ruleSets[set] ?? (set in PRESETS ? PRESETS[set as keyof typeof PRESETS] : undefined);
  if (rules === undefined) throw new Error(`${name} has no rules for ${bucket}`);
  return compileRules(set, rules);
}

const zadig = exampleRules('zadig', 'zadig-bkt');
const zenml = exampleRules('zenml', 'zenml-artifacts');
const score = exampleRules('score', 'score.data');
const UUID = '56f3cb04-38b4-574c-bffb-af1426113194';

for (const [id, rules, mode, keys] of [
  [
    'ZMS-C1 workspaces are kept and asked for',
    zadig,
    'revalidate',
    ['wf/cache/svc/mod/zadig-build-cache.tar.gz', 'sub/wf/cache/name/zadig-testing-cache.tar.gz'],
  ],
  ['ZMS-C2 tools, named by version, are kept for ever', zadig, 'immutable', ['cache/go-v1.22/go.tar.gz']],
  [
    'ZMS-C2 code, named by hash, is kept for ever',
    zenml,
    'immutable',
    ['code_uploads/3f2a.tar.gz', 'p/code_uploads/3f2a.tar.gz'],
  ],
  ['ZMS-C3 what tasks and steps leave is kept and asked for', zadig, 'revalidate', ['wf/12/job/html-report/a.tar.gz']],
  ['ZMS-C3 artifacts are kept and asked for', zenml, 'revalidate', [`step/output/${UUID}/0a1b2c3d/data.json`]],
  ['ZMS-C4 logs pass through', zadig, 'bypass', ['wf/12/log/build.log', 'team-a/wf/12/log/build.log']],
  ['ZMS-C4 logs pass through', zenml, 'bypass', [`step/logs/${UUID}.log`, 'pipeline_runs/logs/1.log']],
  ['ZMS-C4 charts and plugins are asked for', zadig, 'revalidate', ['proj/service/svc/svc.tar.gz', 'plugins/1/p']],
  ['ZMS-C5 objects are kept once they are complete', score, 'immutable', [`data/${UUID}`]],
  [
    'ZMS-C6 what Score counts by is never kept',
    score,
    'bypass',
    ['data/heliograph', `upload/${UUID}_x/.meta`, `upload/${UUID}_x/part-00000001|{"md5":"0"}`, `data/${UUID}.meta`],
  ],
] as const) {
  t.test(id, async (t) => {
    for (const key of keys) t.equal(rules(key).mode, mode, key);
  });
}
