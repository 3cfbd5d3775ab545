/**
 * How much a cached object is trusted.
 *
 * - `revalidate`: the storage is asked each time, with one small request.
 * - `immutable`: a GET of what is here is answered without asking; HEAD still asks.
 * - `ttl`: answered without asking for `maxAge` after the storage last confirmed it.
 * - `exclusive`: nobody writes but through this gateway, so what is here, and what is known to be absent, needs no asking.
 * - `bypass`: never kept.
 */
export type CacheMode = 'revalidate' | 'immutable' | 'ttl' | 'exclusive' | 'bypass';

/** One rule as configured. */
export interface CacheRule {
  /** Glob over the client's key: `?` and `*` stop at `/`, a `**` does not. */
  readonly match: string;
  readonly mode: CacheMode;
  /** Milliseconds for which an answer of the storage needs no asking again. */
  readonly maxAge?: number | undefined;
  /** Milliseconds, since the storage last confirmed it, for which it is served while the storage cannot be reached. */
  readonly staleIfError?: number | undefined;
}

/** A rule ready for use. */
export interface Rule {
  /** Rule set and pattern, for metrics. */
  readonly label: string;
  readonly mode: CacheMode;
  readonly maxAge: number;
  readonly staleIfError: number;
}

/** The rules of one bucket: which one a key falls under. */
export type RuleSet = (key: string) => Rule;

const STALE_IF_ERROR = 7 * 86_400_000;

/**
 * Compiles a rule set: the first rule that matches counts, and what none matches is revalidated.
 * @param name goes into the label of every rule
 */
export function compileRules(name: string, rules: readonly CacheRule[]): RuleSet {
  const compiled = rules.map((rule) => ({ pattern: globPattern(rule.match), rule: ruleOf(name, rule) }));
  const rest = ruleOf(name, { match: '*', mode: 'revalidate' });
  return (key) => compiled.find(({ pattern }) => pattern.test(key))?.rule ?? rest;
}

function ruleOf(name: string, { match, mode, maxAge, staleIfError }: CacheRule): Rule {
  return { label: `${name}:${match}`, mode, maxAge: maxAge ?? 0, staleIfError: staleIfError ?? STALE_IF_ERROR };
}

/** `**` followed by a slash may also stand for nothing, so that `**` + `/x` finds `x` at the top as well. */
function globPattern(glob: string): RegExp {
  const source = glob.replaceAll(/\*\*\/|\*\*|\*|\?|[\\^$.|+()[\]{}]/g, (token) => TOKENS.get(token) ?? `\\${token}`);
  return new RegExp(`^${source}$`, 's');
}

const TOKENS: ReadonlyMap<string, string> = new Map([
  ['**/', '(?:.*/)?'],
  ['**', '.*'],
  ['*', '[^/]*'],
  ['?', '[^/]'],
]);
