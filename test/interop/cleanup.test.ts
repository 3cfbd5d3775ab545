import t, { type Test } from 'tap';
import { azureConfig } from '../support/azure-gateway.ts';
import { startAzurite } from '../support/azurite.ts';
import { missingForCeph, startCeph } from '../support/ceph.ts';
import { CREDENTIALS, startTestGateway } from '../support/gateway.ts';
import { wireClient } from '../support/wire-client.ts';

/** Uploads that were given up, on a real Ceph and on Azurite: what they say of times, pages and parts. */

const CLEANUP = 'cleanup: { incompleteUploads: 2s }';
const KEY = 'ünï code/+ %2F &<>"';

/** @param outside what the gateway must leave alone: begins an upload there, and tells the keys of those that are open */
async function tryCleanup(
  t: Test,
  yaml: string,
  outside?: { readonly begin: () => Promise<void>; readonly open: () => Promise<string> },
): Promise<void> {
  const gateway = await startTestGateway(`${CLEANUP}\n${yaml}`);
  t.teardown(() => gateway.close());
  const { ask } = wireClient(t, { port: gateway.port });
  const headers = { authorization: 'Bearer admin-token-of-the-tests' };
  const run = async () => {
    await fetch(`${gateway.adminUrl}/api/cleanup`, { method: 'POST', headers, body: '{}' });
    for (;;) {
      const { last } = (await (await fetch(`${gateway.adminUrl}/api/cleanup`, { headers })).json()) as {
        readonly last: { readonly state: string; readonly storages: readonly { readonly aborted: number }[] };
      };
      if (last.state !== 'running') return last;
    }
  };
  const begin = async (key: string) => {
    const { text } = await ask('POST', 'cleanup', key, { query: 'uploads' });
    return /<UploadId>([^<]*)</.exec(text)?.[1] ?? '';
  };
  await ask('PUT', 'cleanup');
  const goesOn = await begin('goes on');
  const part = () =>
    ask('PUT', 'cleanup', 'goes on', { query: `partNumber=1&uploadId=${goesOn}`, body: Buffer.from('part') });
  // More than a page of them.
  const given = [KEY, KEY, ...Array.from({ length: 120 }, (_, index) => `many/${index % 50}`)];
  for (const key of given) await begin(key);
  await outside?.begin();
  let removed = 0;
  while (removed < given.length) {
    t.equal((await part()).status, 200);
    const last = await run();
    t.equal(last.state, 'done');
    removed += last.storages[0]?.aborted ?? 0;
  }
  const { text } = await ask('GET', 'cleanup', undefined, { query: 'uploads' });
  t.equal(text.match(/<Upload>/g)?.length, 1);
  t.match(text, '<Key>goes on<');
  if (outside !== undefined) t.match(await outside.open(), '<Key>not mine<');
  const again = await ask('PUT', 'cleanup', 'goes on', {
    query: `partNumber=2&uploadId=${goesOn}`,
    body: Buffer.from('end'),
  });
  t.equal(again.status, 200);
}

t.setTimeout(180_000);
const missing = missingForCeph();
t.test('ZS-R27 Ceph', { skip: missing.length > 0 && `not installed: ${missing.join(', ')}` }, async (t) => {
  const ceph = await startCeph();
  t.teardown(() => ceph.stop());
  const storage = (more: string) => `${CREDENTIALS}
storages:
  - { name: ceph, provider: ceph, endpoint: "localhost:${ceph.port}", protocol: http, accessKey: ${ceph.accessKey}, secretKey: ${ceph.secretKey}${more} }
`;
  const whole = await startTestGateway(storage(', default: true'));
  t.teardown(() => whole.close());
  const { ask } = wireClient(t, { port: whole.port });
  await tryCleanup(t, storage(', bucket: cleanup, prefix: mine/'), {
    begin: async () => void (await ask('POST', 'cleanup', 'not mine', { query: 'uploads' })),
    open: async () => (await ask('GET', 'cleanup', undefined, { query: 'uploads' })).text,
  });
});

t.test('ZS-R27 Azurite', async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  await tryCleanup(t, azureConfig(azurite));
});
