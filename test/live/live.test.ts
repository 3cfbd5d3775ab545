/**
 * Every client's round through Sluice on a real account: `npm run test:live -- PROVIDER`, with the account in the
 * environment: LIVE_ENDPOINT, LIVE_ACCESS_KEY and LIVE_SECRET_KEY (also LIVE_PROTOCOL, LIVE_REGION, LIVE_SIGNATURE,
 * LIVE_ADDRESSING), or for azure LIVE_ACCOUNT and LIVE_ACCOUNT_KEY (also LIVE_ENDPOINT, LIVE_PROTOCOL). The account
 * must be allowed to make buckets; each is named `sluice-live-...`, and removed when its round was right.
 */
import t from 'tap';
import { CLIENTS } from '../interop/clients.ts';
import { lack } from '../interop/scenario.ts';
import { ACCESS_KEY, SECRET_KEY } from '../support/gateway.ts';
import { startGatewayPair } from '../support/gateway-pair.ts';

const [, , provider = ''] = process.argv;
const REQUIRED = provider === 'azure' ? ['ACCOUNT', 'ACCOUNT_KEY'] : ['ENDPOINT', 'ACCESS_KEY', 'SECRET_KEY'];
const OPTIONAL = provider === 'azure' ? ['ENDPOINT', 'PROTOCOL'] : ['PROTOCOL', 'REGION', 'SIGNATURE', 'ADDRESSING'];

const given = [...REQUIRED, ...OPTIONAL].flatMap((name) => {
  const value = process.env[`LIVE_${name}`];
  return value === undefined ? [] : [[name, value] as const];
});
const absent = REQUIRED.filter((name) => !given.some(([known]) => known === name)).map((name) => `LIVE_${name}`);
const isUnset = provider === '' ? 'no provider was named' : absent.length > 0 ? `not set: ${absent.join(', ')}` : false;

/** What a guarded write comes to: 501 where the provider is not known to heed the guard. */
const guarded = /^(PreconditionFailed|NotImplemented)$/;

// A far account and a slow line take the time they take.
const LIMIT_MS = 4 * 3600 * 1000;
t.setTimeout(LIMIT_MS);

const title = `every client does its full round on a real account at ${provider}`;
t.test(title, { skip: isUnset, timeout: LIMIT_MS }, async (t) => {
  const settings = given.map(([name, value]) => `    ${settingOf(name)}: ${JSON.stringify(value)}\n`).join('');
  const gateways = await startGatewayPair(
    t.testdir(),
    () => `storages:\n  - name: live\n    provider: ${provider}\n    default: true\n${settings}`,
  );
  t.teardown(() => gateways.close());
  const run = Date.now().toString(36);
  for (const [index, client] of CLIENTS.entries()) {
    await t.test(client.name, { skip: await lack(client), timeout: LIMIT_MS }, async (t) => {
      const access = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, ...gateways.access, folder: t.testdir() };
      await client.run(t, { ...access, bucket: `sluice-live-${run}-${index}`, large: 12 * 1024 * 1024 + 7, guarded });
    });
  }
});

/** `ACCESS_KEY` is `accessKey` in a configuration. */
function settingOf(name: string): string {
  return name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
