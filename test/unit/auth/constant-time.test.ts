import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import t from 'tap';
import { isV2Signature } from '../../../src/auth/sigv2.ts';
import { isSignature } from '../../../src/auth/sigv4.ts';

/**
 * Measured times differ by where strings lie more than by what is compared, so that a measurement says nothing either way.
 * What counts is that the answer is `timingSafeEqual`'s, given both signatures whole.
 */
const { timingSafeEqual } = crypto;
const compared: (readonly [string, string])[] = [];
crypto.timingSafeEqual = (a, b) => {
  compared.push([bytesOf(a), bytesOf(b)]);
  return timingSafeEqual(a, b);
};
syncBuiltinESMExports();
t.teardown(() => {
  crypto.timingSafeEqual = timingSafeEqual;
  syncBuiltinESMExports();
});

function bytesOf(view: NodeJS.ArrayBufferView): string {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('latin1');
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
    for (const given of [nothing, allButOne, expected]) {
      compared.length = 0;
      t.equal(compare(expected, given), given === expected);
      t.equal(compared.length, 1, 'compared once');
      const [[left, right] = ['', '']] = compared;
      t.equal(left.length, right.length, 'two of a length');
      t.equal(left === right, given === expected, 'all of both');
      t.ok(left.length >= 20, 'a whole signature');
    }
  });
}
