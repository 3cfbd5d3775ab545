import { Agent, request } from 'node:http';
import type { LookupFunction } from 'node:net';

/** Finds every name on the loopback, as `*.localhost` is but in many resolvers. */
const lookup: LookupFunction = (_, { all }, done) => {
  if (all === true) done(null, [{ address: '127.0.0.1', family: 4 }]);
  else done(null, '127.0.0.1', 4);
};

/** An agent for node's clients whose names are all on the loopback. Closed by `destroy`. */
export function loopbackAgent(): Agent {
  return new Agent({ lookup, keepAlive: true });
}

/** Asks a URL that a client has presigned. */
export function fetchUrl(
  url: string,
  { method = 'GET', body }: { readonly method?: string; readonly body?: string } = {},
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const sent = request(url, { method, lookup, agent: false, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** The environment that sends a program's requests through a proxy. */
export function proxyEnvironment(port: number | undefined): Record<string, string> {
  if (port === undefined) return {};
  return { HTTP_PROXY: `http://127.0.0.1:${port}`, http_proxy: `http://127.0.0.1:${port}` };
}
