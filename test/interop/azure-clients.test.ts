import t from 'tap';
import { azureGateway } from '../support/azure-gateway.ts';
import { startAzurite } from '../support/azurite.ts';
import { ACCESS_KEY, SECRET_KEY } from '../support/gateway.ts';
import { awscli } from './clients/awscli.ts';
import { boto3Clients } from './clients/boto3.ts';
import { curl } from './clients/curl.ts';
import { minioJs } from './clients/minio-js.ts';
import { rclone } from './clients/rclone.ts';
import { s3cmd } from './clients/s3cmd.ts';
import { sdkV2Clients } from './clients/sdk-v2.ts';
import { sdkV3 } from './clients/sdk-v3.ts';
import { lack } from './scenario.ts';

const MiB = 2 ** 20;
t.setTimeout(1_800_000);
const azurite = await startAzurite();
t.teardown(() => azurite.stop());
const { url } = await azureGateway(t, azurite, ', prefix: "team ü/"');

// Every client is on Azurite in clients-azurite.test.ts; these are on it behind a prefix.
const clients = [awscli, s3cmd, rclone, curl, sdkV3, minioJs, ...boto3Clients.slice(0, 1), ...sdkV2Clients.slice(0, 1)];

t.test('clients do their full round on Azurite behind a prefix', { timeout: 1_800_000 }, async (t) => {
  for (const [index, client] of clients.entries()) {
    await t.test(client.name, { skip: await lack(client), timeout: 300_000 }, async (t) => {
      const access = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, endpoint: url };
      await client.run(t, { ...access, folder: t.testdir(), bucket: `round-${index}`, large: 6 * MiB + 7 });
    });
  }
});
