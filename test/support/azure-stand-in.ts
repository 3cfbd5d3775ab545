import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'tap';
import { createTransport } from '../../src/http/transport.ts';
import type { AzureAccount } from '../../src/store/azure/account.ts';
import { openAzureStore } from '../../src/store/azure/store.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';

/** A request as it came over the wire. */
export interface SeenByAzure {
  readonly method: string;
  /** Path and query, byte for byte. */
  readonly target: string;
  /** `METHOD path comp` without the account and the query, to script by. */
  readonly what: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface AzureAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** An Azure error code: becomes header and document, as Azure writes them. */
  readonly code?: string;
  /** Destroys the connection after so many bytes of the body. */
  readonly cutAfter?: number;
}

export interface AzureStandIn {
  readonly seen: SeenByAzure[];
  readonly account: AzureAccount;
  /** Milliseconds the store waited before each further attempt. */
  readonly waits: number[];
  readonly log: string[];
  readonly store: ObjectStore;
}

/** What must never reach a client. */
export const SECRET_NAME = 'canaryaccount';
export const AZURE_WORDS = 'Words of Azure about canaryaccount';

/**
 * A service that answers each request as a test says, for what Azurite does not do; with a store on it. Waits are not
 * waited, but kept.
 * @param options `claimsTls`: the store is told that the line is safe; `idleTimeout` in milliseconds
 * @param script its second argument counts the requests of that `what` before; 'reset' breaks the connection, 'silence'
 * leaves it as it is
 */
export async function azureStandIn(
  t: Pick<Test, 'teardown'>,
  script: (request: SeenByAzure, before: number) => AzureAnswer | 'reset' | 'silence',
  {
    retries = 3,
    now = () => new Date(),
    claimsTls = false,
    idleTimeout = 60_000,
  }: {
    readonly retries?: number;
    readonly now?: () => Date;
    readonly claimsTls?: boolean;
    readonly idleTimeout?: number;
  } = {},
): Promise<AzureStandIn> {
  const seen: SeenByAzure[] = [];
  const server = createServer(async (message, response) => {
    const body = await buffer(message).catch(() => undefined);
    if (body === undefined) return;
    const target = message.url ?? '';
    const [path = '', query = ''] = target.split('?');
    const comp = /(?:^|&)comp=([a-z]+)/.exec(query)?.[1] ?? '';
    const what = `${message.method} ${path.replace(`/${SECRET_NAME}`, '')} ${comp}`.trim();
    const before = seen.filter((each) => each.what === what).length;
    const request = { method: message.method ?? '', target, what, headers: message.headers, body };
    seen.push(request);
    const answer = script(request, before);
    if (answer === 'reset') message.socket.destroy();
    else if (answer !== 'silence') respond(response, answer, message.method === 'HEAD');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // Listening on TCP gives an AddressInfo.
  const { port } = server.address() as AddressInfo;
  const account: AzureAccount = {
    name: SECRET_NAME,
    origin: { protocol: claimsTls ? 'https' : 'http', host: '127.0.0.1', port },
    basePath: `/${SECRET_NAME}`,
    credential: { kind: 'shared-key', key: Buffer.from('key of no value') },
  };
  const transport = createTransport({ idleTimeout });
  const [waits, log]: [number[], string[]] = [[], []];
  const keep = (fields: object, message: string) => void log.push(`${message} ${JSON.stringify(fields)}`);
  const store = openAzureStore({
    account,
    transport: {
      ...transport,
      // The line is a plain one, whatever the store believes.
      request: (outgoing) => transport.request({ ...outgoing, origin: { ...outgoing.origin, protocol: 'http' } }),
    },
    now,
    log: { warn: keep, error: keep },
    retries,
    random: () => 1,
    sleep: async (milliseconds) => void waits.push(milliseconds),
  });
  t.teardown(async () => {
    await store.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { seen, account, waits, log, store };
}

function respond(response: ServerResponse, answer: AzureAnswer, isHead: boolean): void {
  const { status, code, cutAfter } = answer;
  const document = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${AZURE_WORDS}</Message></Error>`;
  const body = Buffer.from(answer.body ?? (code === undefined ? '' : document));
  response.writeHead(status, {
    date: new Date().toUTCString(),
    ...(code !== undefined && { 'x-ms-error-code': code, 'content-type': 'application/xml' }),
    ...(!isHead && { 'content-length': body.byteLength }),
    ...answer.headers,
  });
  if (isHead) return void response.end();
  if (cutAfter === undefined) return void response.end(body);
  response.write(body.subarray(0, cutAfter), () => response.destroy());
}

/** Headers of a blob, as GET and HEAD have them. */
export function blobHeaders(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    etag: '"0x8D1"',
    'last-modified': 'Fri, 20 Nov 2026 10:00:00 GMT',
    'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==',
    'content-length': '0',
    ...headers,
  };
}
