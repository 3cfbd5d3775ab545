import { createHash } from 'node:crypto';
import t from 'tap';
import { S3Error } from '../../../src/s3/error.ts';
import { CALLER, HOST, NOW, verdict } from '../../support/auth-gate.ts';
import { requestOf } from '../../support/request.ts';
import { isHeaderAccepted, isUrlAccepted, presign, signHeader, type WireRequest } from '../../support/slow-verifier.ts';

/** A fixed sequence of numbers that looks random. */
function sequence(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const TEXT = [...'abcXYZ019-._~/%+ &=?#!\'()*,;:@$"<>[]{}|^`\u00e9\u00ff'];

/** A request that a client might send, with odd but legal characters wherever they may stand. */
function randomRequest(random: (limit: number) => number): WireRequest {
  const text = (max: number): string =>
    Array.from({ length: 1 + random(max) }, () => TEXT[random(TEXT.length)]).join('');
  const escaped = (value: string): string =>
    value.replace(/[^A-Za-z0-9._~-]/g, (char) => {
      if ("!'()*$,;:@".includes(char) && random(2) === 0) return char;
      const hex = encodeURIComponent(char);
      const written = hex === char ? `%${char.charCodeAt(0).toString(16)}` : hex;
      return random(2) === 0 ? written : written.toLowerCase();
    });
  const segments = Array.from({ length: 1 + random(3) }, () => escaped(text(6)));
  const parameters = Array.from({ length: random(4) }, () => {
    const name = ['prefix', 'marker', 'a b', 'A', 'max-keys'][random(5)] ?? '';
    return `${escaped(name)}${random(3) === 0 ? '' : `=${escaped(text(6))}`}`;
  });
  const headers: Record<string, string> = { host: HOST };
  if (random(2) === 0) headers['x-amz-meta-note'] = ` ${text(10)}  ${text(5)} `;
  if (random(2) === 0) headers['x-amz-acl'] = 'private';
  const query = parameters.length > 0 ? `?${parameters.join('&')}` : '';
  return {
    method: ['GET', 'HEAD', 'DELETE'][random(3)] ?? 'GET',
    target: `/bucket/k${segments.join('/')}${query}`,
    headers,
  };
}

/** Whether the gateway takes it; a request that cannot even be parsed is none. */
async function isAccepted(request: WireRequest): Promise<boolean> {
  try {
    requestOf(request);
  } catch (error) {
    if (error instanceof S3Error) return false;
    throw error;
  }
  return (await verdict(request)) === 'accepted';
}

const BY = { ...CALLER, time: NOW };

t.test('every random request that the specification signs is accepted', async (t) => {
  const random = sequence(11);
  for (let round = 0; round < 1500; round++) {
    const request = randomRequest(random);
    const signed = signHeader(request, BY);
    const url = presign(request, { ...BY, signedHeaders: Object.keys(request.headers).sort() });
    if (!isHeaderAccepted(signed, CALLER, NOW) || !isUrlAccepted(url, CALLER, NOW))
      t.fail('the specification disagrees with itself');
    if (!(await isAccepted(signed))) t.fail(`header: ${JSON.stringify(signed)}`);
    if (!(await isAccepted(url))) t.fail(`query: ${JSON.stringify(url)}`);
  }
  t.pass();
});

/** Every request that differs from this one in one byte of its method, target or headers. */
function* mutations(request: WireRequest, mask: number): Generator<WireRequest> {
  const flip = (text: string, at: number): string =>
    text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ mask) + text.slice(at + 1);
  for (let at = 0; at < request.method.length; at++) yield { ...request, method: flip(request.method, at) };
  for (let at = 0; at < request.target.length; at++) yield { ...request, target: flip(request.target, at) };
  for (const [name, value] of Object.entries(request.headers)) {
    const others = Object.fromEntries(Object.entries(request.headers).filter(([other]) => other !== name));
    for (let at = 0; at < value.length; at++) {
      const changed = flip(value, at);
      // node's parser lets none of these through.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these
      if (!/[\0-\x08\x0a-\x1f\x7f]/.test(changed)) yield { ...request, headers: { ...others, [name]: changed } };
    }
    for (let at = 0; at < name.length; at++) {
      const changed = flip(name, at).toLowerCase();
      if (/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(changed) && !(changed in others)) {
        yield { ...request, headers: { ...others, [changed]: value } };
      }
    }
  }
}

/** What a request means, so that two spellings of the same thing count as equal. */
function meaning(request: WireRequest): string {
  const { method, bucket, key, query, headers } = requestOf(request);
  const parameters = query.parameters
    .filter(({ name }) => name !== 'X-Amz-Signature')
    .map(({ name, value }) => JSON.stringify([name, value]))
    .sort();
  const values = [...headers]
    .filter(([name]) => name.startsWith('x-amz-'))
    .map(([name, value]) => [name, value.replace(/[ \t]+/g, ' ').replace(/^ | $/g, '')])
    .sort();
  return JSON.stringify([method, bucket, key, parameters, values]);
}

for (const [place, isSpecified] of [
  ['header', isHeaderAccepted],
  ['query', isUrlAccepted],
] as const) {
  t.test(
    `every byte flipped, signed in the ${place}: both verifiers agree, and accept only what means the same`,
    async (t) => {
      const random = sequence(23);
      let count = 0;
      let accepted = 0;
      for (let round = 0; round < 12; round++) {
        const request = randomRequest(random);
        const signed =
          place === 'header'
            ? signHeader(request, BY)
            : presign(request, { ...BY, signedHeaders: Object.keys(request.headers).sort() });
        for (const mask of [0x01, 0x20, 0x80]) {
          for (const mutated of mutations(signed, mask)) {
            // A target outside of these never reaches the layer.
            if (!/^\/[!-~]*$/.test(mutated.target)) continue;
            count++;
            const [ours, theirs] = [await isAccepted(mutated), isSpecified(mutated, CALLER, NOW)];
            if (ours !== theirs) t.fail(`gateway ${ours}, specification ${theirs}: ${JSON.stringify(mutated)}`);
            if (!ours) continue;
            accepted++;
            if (meaning(mutated) !== meaning(signed))
              t.fail(`accepted with another meaning: ${JSON.stringify(mutated)}`);
          }
        }
      }
      t.ok(count > 5000, `${count} mutations`);
      t.ok(accepted < count / 10, `${accepted} of them mean the same and are accepted`);
    },
  );
}

t.test('a body hash flipped in any digit is another signature', async (t) => {
  const sha256 = createHash('sha256').update('').digest('hex');
  const signed = signHeader(
    { method: 'GET', target: '/bucket/key', headers: { host: HOST, 'x-amz-content-sha256': sha256 } },
    BY,
  );
  for (let at = 0; at < 64; at++) {
    const digit = sha256[at] === '0' ? '1' : '0';
    const headers = { ...signed.headers, 'x-amz-content-sha256': sha256.slice(0, at) + digit + sha256.slice(at + 1) };
    t.equal(await verdict({ ...signed, headers }), 'SignatureDoesNotMatch');
  }
});
