import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline, Transform } from 'node:stream';
import type { Test } from 'tap';
import type { Azurite } from './azurite.ts';
import type { Certificate } from './self-signed.ts';

export interface FrontOptions {
  /** Says that the account has a hierarchical namespace. */
  readonly isHierarchical?: boolean;
  /** Speaks HTTPS by this certificate. */
  readonly certificate?: Certificate;
  /** Tells the MD5 of a block as the service does by versions before 2019-02-02. */
  readonly tellsMd5?: boolean;
  /**
   * What goes wrong with a request: `refused` is 503 ServerBusy, and the account hears nothing of it; `lost` is done,
   * and the connection breaks before the answer. A promise holds the request back until then.
   */
  readonly fault?: (request: IncomingMessage) => Fault | undefined | Promise<Fault | undefined>;
}

export type Fault = 'refused' | 'lost';

export interface Front extends Pick<Azurite, 'endpoint'> {
  /** `METHOD target` of every request. */
  readonly seen: readonly string[];
  /** How many blocks' MD5 it has told. */
  readonly told: number;
}

/** Azurite, but for what it does not do by itself. Closed with the test. */
export async function azureFront(
  t: Pick<Test, 'teardown'>,
  { port, endpoint }: Azurite,
  { isHierarchical, certificate, tellsMd5, fault }: FrontOptions,
): Promise<Front> {
  const seen: string[] = [];
  let told = 0;
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method, url = '', headers } = incoming;
    seen.push(`${method} ${url}`);
    const trouble = await fault?.(incoming);
    if (trouble === 'refused') {
      incoming.resume();
      response.writeHead(503, { 'x-ms-error-code': 'ServerBusy', 'content-length': 0 }).end();
      return;
    }
    const md5 = createHash('md5');
    const isTold = tellsMd5 === true && /comp=block&/.test(url) && String(headers['x-ms-version']) < '2019-02-02';
    if (isTold) told++;
    const outgoing = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      if (trouble === 'lost') {
        answer.resume().on('end', () => response.destroy());
        return;
      }
      const isAccount = isHierarchical === true && /restype=account/.test(url);
      response.writeHead(answer.statusCode ?? 0, {
        ...answer.headers,
        ...(isAccount && { 'x-ms-is-hns-enabled': 'true' }),
        ...(isTold && answer.statusCode === 201 && { 'content-md5': md5.digest('base64') }),
      });
      // A test that ends breaks off what is under way.
      pipeline(answer, response, () => undefined);
    });
    outgoing.on('error', () => response.destroy());
    const hashing = new Transform({
      transform(chunk: Buffer, _, done) {
        md5.update(chunk);
        done(null, chunk);
      },
    });
    pipeline(incoming, hashing, outgoing, () => undefined);
  };
  const server = certificate === undefined ? createServer(serve) : createTlsServer(certificate, serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  // Listening on TCP gives an AddressInfo.
  const own = String((server.address() as AddressInfo).port);
  const host = certificate === undefined ? '127.0.0.1' : 'localhost';
  return {
    endpoint: endpoint.replace(/^[^/]*/, `${host}:${own}`),
    seen,
    get told() {
      return told;
    },
  };
}
