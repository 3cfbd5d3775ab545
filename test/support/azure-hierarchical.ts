import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import type { Test } from 'tap';
import type { Azurite } from './azurite.ts';

/** Azurite, but for what it says of the account: that its namespace is hierarchical. Closed with the test. */
export async function hierarchicalAzurite(
  t: Pick<Test, 'teardown'>,
  { port, endpoint }: Azurite,
): Promise<Pick<Azurite, 'endpoint'> & { readonly seen: readonly string[] }> {
  const seen: string[] = [];
  const server = createServer((incoming, response) => {
    const { method, url = '', headers } = incoming;
    seen.push(`${method} ${url}`);
    const outgoing = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      const isAccount = /restype=account/.test(url);
      response.writeHead(answer.statusCode ?? 0, {
        ...answer.headers,
        ...(isAccount && { 'x-ms-is-hns-enabled': 'true', 'x-ms-account-kind': 'StorageV2' }),
      });
      // A test that ends breaks off what is under way.
      pipeline(answer, response, () => undefined);
    });
    outgoing.on('error', () => response.destroy());
    pipeline(incoming, outgoing, () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  // Listening on TCP gives an AddressInfo.
  const own = (server.address() as AddressInfo).port;
  return { endpoint: endpoint.replace(String(port), String(own)), seen };
}
