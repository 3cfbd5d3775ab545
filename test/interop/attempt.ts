import { AssertionError, deepStrictEqual } from 'node:assert';
import { type Check, type ClientAccess, type ClientScenario, lack } from './scenario.ts';

/** What came of a client's round: that all of it was right, or the first thing that was not. */
export type Outcome = 'passes' | { readonly fails: string } | { readonly skipped: string };

const LIMIT = 240_000;

/** Does a client's round outside a test and tells the outcome. Never rejects. */
export async function attempt(client: ClientScenario, access: ClientAccess): Promise<Outcome> {
  const without = await lack(client);
  if (without !== false) return { skipped: without };
  const afterwards: (() => unknown)[] = [];
  const outcome = await outcomeOf(client, access, strictCheck(afterwards));
  const left: Outcome[] = [];
  for (const after of afterwards.reverse()) {
    try {
      await after();
    } catch (error) {
      left.push({ fails: `afterwards: ${told(error, access)}` });
    }
  }
  // What went wrong first is the one to tell.
  return outcome === 'passes' ? (left[0] ?? outcome) : outcome;
}

async function outcomeOf(client: ClientScenario, access: ClientAccess, check: Check): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${LIMIT / 1000} s`)), LIMIT);
  });
  try {
    await Promise.race([client.run(check, access), late]);
    return 'passes';
  } catch (error) {
    return { fails: told(error, access) };
  } finally {
    clearTimeout(timer);
  }
}

function told(error: unknown, { folder }: ClientAccess): string {
  const said = String(error instanceof Error ? error.message || error.name : error);
  return said.replaceAll(`${folder}/`, '');
}

function demand(isTrue: boolean, message: string): void {
  if (!isTrue) throw new AssertionError({ message });
}

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 200) ?? String(value);

/** A check that throws at the first thing wrong. */
function strictCheck(afterwards: (() => unknown)[]): Check {
  return {
    equal: (found, wanted, ...[message]) =>
      demand(Object.is(found, wanted), `${message ?? 'not equal'}: ${shown(found)} for ${shown(wanted)}`),
    strictSame: (found, wanted, ...[message]) => deepStrictEqual(found, wanted, message),
    match: (found, wanted, ...[message]) =>
      demand(isMatch(found, wanted), `${message ?? 'no match'}: ${shown(found)} for ${shown(wanted)}`),
    notMatch: (found, wanted, ...[message]) =>
      demand(!isMatch(found, wanted), `${message ?? 'a match'}: ${shown(found)} for ${shown(wanted)}`),
    ok: (found, ...[message]) => demand(Boolean(found), message ?? 'not ok'),
    async rejects(promise, wanted) {
      const error = await promise.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      demand(error !== undefined, `succeeds where ${Object.values(wanted)} was due`);
      demand(isMatch(error, wanted), `${String(error)} where ${Object.values(wanted)} was due`);
    },
    teardown: (after) => afterwards.push(after),
  };
}

/** As tap's `match`: what is wanted is a part of what is found. */
function isMatch(found: unknown, wanted: unknown): boolean {
  if (wanted instanceof RegExp) return wanted.test(String(found));
  if (typeof wanted === 'string') return typeof found === 'string' && found.includes(wanted);
  if (typeof wanted !== 'object' || wanted === null) return Object.is(found, wanted);
  if (typeof found !== 'object' || found === null) return false;
  return Object.entries(wanted).every(([name, value]) => isMatch(Reflect.get(found, name), value));
}
