import { CREDENTIALS, startTestGateway, type TestGateway } from './gateway.ts';
import { selfSigned } from './self-signed.ts';

/** One gateway by HTTP and one by HTTPS. */
export interface GatewayPair {
  readonly plain: TestGateway;
  readonly secure: TestGateway;
  /** Where the second is found under the name in its certificate, and the file that vouches for it. */
  readonly access: {
    readonly endpoint: string;
    readonly secure: { readonly endpoint: string; readonly caFile: string };
  };
  close(): Promise<void>;
}

/**
 * Starts both with the usual credentials; the caller closes them.
 * @param folder for the certificate; needs the program `openssl`
 * @param configOf the rest of each configuration, told whether it is for HTTPS: two gateways over one folder would be two owners
 */
export async function startGatewayPair(folder: string, configOf: (isSecure: boolean) => string): Promise<GatewayPair> {
  const { certFile, keyFile } = await selfSigned(folder, 'localhost');
  const tls = `tls: { cert: ${JSON.stringify(certFile)}, key: ${JSON.stringify(keyFile)} }`;
  const plain = await startTestGateway(`${CREDENTIALS}\n${configOf(false)}`);
  const secure = await startTestGateway(`${tls}\n${CREDENTIALS}\n${configOf(true)}`);
  return {
    plain,
    secure,
    access: {
      endpoint: plain.url,
      secure: { endpoint: `https://localhost:${secure.port}`, caFile: certFile },
    },
    async close() {
      await plain.close();
      await secure.close();
    },
  };
}
