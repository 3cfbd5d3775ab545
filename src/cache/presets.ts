import type { CacheRule } from './rules.ts';

const revalidate = (match: string): CacheRule => ({ match, mode: 'revalidate' });
const immutable = (match: string): CacheRule => ({ match, mode: 'immutable' });
const bypass = (match: string): CacheRule => ({ match, mode: 'bypass' });

/**
 * Rule sets for tools whose keys are known, so that nobody writes globs. Any folder may stand before the keys. Names of
 * content (hashes) are immutable; what a tool overwrites is revalidated; what only coordinates is bypassed.
 */
export const PRESETS = {
  /** Workspaces are overwritten by every build; tools carry their version in the name; logs grow. */
  zadig: [
    bypass('**/.zadig-validate-test'),
    revalidate('**/zadig-*-cache.tar.gz'),
    revalidate('**/reaper.tar.gz'),
    bypass('**/*.log'),
    immutable('**/cache/*-v?*/*'),
    revalidate('**'),
  ],
  'gitlab-runner': [revalidate('**')],
  /** Keys are written once by convention only, so the storage is asked. */
  'actions-cache': [revalidate('**')],
  /** With its check file served while the line is down, it starts, finds that it cannot write, and goes on reading. */
  sccache: [revalidate('**/.sccache_check'), immutable('**')],
  'bazel-remote': [immutable('**/cas.v2/**'), immutable('**/cas/**'), revalidate('**')],
  buildkit: [immutable('**/blobs/sha256:*'), revalidate('**')],
  /**
   * Blob data is named by digest; tags and upload state are not. Uploads are kept, as what was pushed is copied from there
   * to its name, and so need not be fetched for the first pull.
   */
  'docker-registry': [immutable('**/v2/blobs/*/*/*/data'), revalidate('**')],
  gradle: [immutable('**')],
  nx: [immutable('**')],
  turborepo: [immutable('**')],
  /** All but locks and the configuration is named by its hash. */
  restic: [
    bypass('**/locks/*'),
    immutable('**/data/**'),
    immutable('**/index/*'),
    immutable('**/snapshots/*'),
    immutable('**/keys/*'),
    revalidate('**'),
  ],
  nix: [immutable('**/nar/**'), revalidate('**')],
  /**
   * Code is named by its hash, what a step gives by the run's own id. Whether anything else exists must be the truth: ZenML
   * takes what is there for its own, and appends to logs.
   */
  zenml: [
    bypass('**/logs/**'),
    immutable('**/code_uploads/*.tar.gz'),
    revalidate('**/????????-????-????-????-????????????/????????/**'),
    { match: '**', mode: 'revalidate', staleIfError: 0 },
  ],
  /** Objects never change once they are complete; all else is how Score keeps count, or finds out whether the storage is there. */
  score: [bypass('**/*.meta'), bypass('**/data/heliograph'), immutable('**/data/*'), bypass('**')],
} as const satisfies Readonly<Record<string, readonly CacheRule[]>>;
