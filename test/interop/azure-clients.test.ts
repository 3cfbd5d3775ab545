import t from 'tap';
import { azureGateway } from '../support/azure-gateway.ts';
import { startAzurite } from '../support/azurite.ts';
import { ACCESS_KEY, SECRET_KEY } from '../support/gateway.ts';
import { awscli } from './clients/awscli.ts';
import { curl } from './clients/curl.ts';
import { rclone } from './clients/rclone.ts';
import { s3cmd, s3cmdV2 } from './clients/s3cmd.ts';
import { sdkV3 } from './clients/sdk-v3.ts';
import { isInstalled } from './process.ts';

const azurite = await startAzurite();
t.teardown(() => azurite.stop());
const plain = await azureGateway(t, azurite);
const prefixed = await azureGateway(t, azurite, ', prefix: "team ü/"');

const rounds = [awscli, s3cmd, s3cmdV2, rclone, curl, sdkV3].map((client) => ({ client, url: plain.url, on: '' }));
rounds.push({ client: rclone, url: prefixed.url, on: ' with a prefix' });
for (const [index, { client, url, on }] of rounds.entries()) {
  const skip =
    client.program === undefined || isInstalled(client.program) ? false : `${client.program} is not installed`;
  await t.test(`${client.name} does its full round on Azurite behind the gateway${on}`, { skip }, async (t) => {
    const access = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, endpoint: url };
    await client.run(t, { ...access, folder: t.testdir(), bucket: `round-${index}` });
  });
}
