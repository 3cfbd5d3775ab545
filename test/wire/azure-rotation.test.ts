import {
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  generateAccountSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import t from 'tap';
import { azureConfig } from '../support/azure-gateway.ts';
import { AZURITE_ACCOUNT, AZURITE_KEY, startAzurite } from '../support/azurite.ts';
import { startTestGateway } from '../support/gateway.ts';
import { wireClient } from '../support/wire-client.ts';

const azurite = await startAzurite();
t.teardown(() => azurite.stop());

/** A SAS for all of the account, another one for each number of minutes. */
function sasFor(minutes: number): string {
  return generateAccountSASQueryParameters(
    {
      expiresOn: new Date(Date.now() + minutes * 60_000),
      permissions: AccountSASPermissions.parse('rwdlactf'),
      resourceTypes: AccountSASResourceTypes.parse('sco').toString(),
      services: AccountSASServices.parse('b').toString(),
    },
    new StorageSharedKeyCredential(AZURITE_ACCOUNT, AZURITE_KEY),
  ).toString();
}

const configOf = (minutes: number, more: string) =>
  azureConfig(azurite, more).replace(/accountKey: "[^"]*"/, `sas: "${sasFor(minutes)}"`);

t.test('an upload outlasts the SAS it was begun with, where the tokens have a secret of their own', async (t) => {
  for (const [secret, wanted] of [
    [', tokenSecret: "a secret of the tests"', 200],
    ['', 404],
  ] as const) {
    const first = await startTestGateway(configOf(10, secret));
    const begin = wireClient(t, first);
    const bucket = `rotated-${wanted}`;
    await begin.ask('PUT', bucket);
    const begun = await begin.ask('POST', bucket, 'k', { query: 'uploads=' });
    const uploadId = /<UploadId>([^<]+)/.exec(begun.text)?.[1];
    t.equal(begun.status, 200, begun.text);
    await first.close();
    const second = await startTestGateway(configOf(20, secret));
    t.teardown(() => second.close());
    const goOn = wireClient(t, second);
    const part = { query: `partNumber=1&uploadId=${uploadId}`, body: Buffer.from('hello') };
    const sent = await goOn.ask('PUT', bucket, 'k', part);
    t.equal(sent.status, wanted, secret);
    if (wanted !== 200) continue;
    const document = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${sent.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
    const done = await goOn.ask('POST', bucket, 'k', { query: `uploadId=${uploadId}`, body: Buffer.from(document) });
    t.equal(done.status, 200);
    t.equal((await goOn.ask('GET', bucket, 'k')).text, 'hello');
  }
});
