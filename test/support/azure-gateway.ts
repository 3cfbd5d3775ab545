import type { Test } from 'tap';
import { AZURITE_ACCOUNT, AZURITE_KEY, type Azurite } from './azurite.ts';
import { CREDENTIALS, startTestGateway, type TestGateway } from './gateway.ts';

/** The configuration of a gateway over one account. @param more settings of the storage, as YAML in flow style */
export function azureConfig({ endpoint }: Pick<Azurite, 'endpoint'>, more = ''): string {
  return `${CREDENTIALS}
storages:
  - { name: azure, provider: azure, endpoint: "${endpoint}", protocol: http, account: ${AZURITE_ACCOUNT}, accountKey: "${AZURITE_KEY}", default: true${more} }
`;
}

/** A whole gateway over one account, closed with the test. */
export async function azureGateway(
  t: Pick<Test, 'teardown'>,
  azurite: Pick<Azurite, 'endpoint'>,
  more?: string,
): Promise<TestGateway> {
  const gateway = await startTestGateway(azureConfig(azurite, more));
  t.teardown(() => gateway.close());
  return gateway;
}
