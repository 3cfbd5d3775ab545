import t from 'tap';
import { isV2Signature } from '../../../src/auth/sigv2.ts';
import { isSignature } from '../../../src/auth/sigv4.ts';

const SAMPLES = 100_000;

/** Mean and variance without the slowest tenth: those were interrupted. */
function moments(times: Float64Array): { mean: number; variance: number; count: number } {
  const kept = times.toSorted().subarray(0, Math.floor(times.length * 0.9));
  const mean = kept.reduce((sum, each) => sum + each, 0) / kept.length;
  const variance = kept.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (kept.length - 1);
  return { mean, variance, count: kept.length };
}

/** Welch's t of how long a comparison takes for two inputs, asked in turns. */
function welch(compare: (given: string) => boolean, one: string, other: string): number {
  // As strings of one make: how one was put together tells, too.
  const [first = '', second = ''] = [one, other].map((text) => Buffer.from(text).toString('latin1'));
  const times = [new Float64Array(SAMPLES), new Float64Array(SAMPLES)];
  for (let index = 0; index < SAMPLES; index += 1) {
    for (const turn of [0, 1]) {
      // Now the one goes first, now the other.
      const which = (index + turn) % 2;
      const given = which === 0 ? first : second;
      const start = process.hrtime.bigint();
      compare(given);
      (times[which] ?? [])[index] = Number(process.hrtime.bigint() - start);
    }
  }
  const [a, b] = times.map(moments);
  if (a === undefined || b === undefined) throw new Error('nothing was measured');
  return Math.abs(a.mean - b.mean) / Math.sqrt(a.variance / a.count + b.variance / b.count);
}

const hex = '0123456789abcdef'.repeat(4);
const base64 = 'bWq2s1WEIj+Ydj0vQ697zp+IXMU=';

for (const [version, compare, expected] of [
  ['V4', isSignature, hex],
  ['V2', isV2Signature, base64],
] as const) {
  t.test(`A11 ${version}: how much of a signature is right cannot be told from the time`, async (t) => {
    const nothing = expected.replaceAll(/[^=]/g, (char) => (char === 'f' ? 'e' : 'f'));
    const allButOne = expected.replace(/[^=](=?)$/, (tail) =>
      tail.startsWith('e') ? `d${tail.slice(1)}` : `e${tail.slice(1)}`,
    );
    t.notOk(compare(expected, nothing));
    t.notOk(compare(expected, allButOne));
    // Another process may disturb one measurement; a difference that is there shows in each.
    const found: number[] = [];
    while (found.length < 8 && (found.at(-1) ?? Infinity) >= 4.5) {
      found.push(welch((given) => compare(expected, given), nothing, allButOne));
    }
    t.ok((found.at(-1) ?? Infinity) < 4.5, `Welch's t: ${found.map((each) => each.toFixed(1)).join(', ')}`);
  });
}
