import { type AddressInfo, createServer, type Socket } from 'node:net';

/** A server that answers each request with exactly what a test says. */
export interface RawUpstream {
  readonly port: number;
  /** The head of each request, as received. */
  readonly heads: string[];
  /** Connections that were accepted. */
  readonly sockets: Socket[];
  close(): Promise<void>;
}

/**
 * Starts a server on the loopback interface that calls `script` for every request head, in order; requests are taken to
 * have no body, or one that nobody waits for.
 * @param script writes to, ends or destroys the socket
 */
export async function rawUpstream(script: (socket: Socket, index: number) => void): Promise<RawUpstream> {
  const heads: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    let received = '';
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const isFirst = /^[A-Z]+ \//.test(received);
      const head = received.slice(0, end);
      received = '';
      if (!isFirst) return;
      heads.push(head);
      script(socket, heads.length - 1);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    // Listening on TCP gives an AddressInfo.
    port: (server.address() as AddressInfo).port,
    heads,
    sockets,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** An HTTP/1.1 answer with Content-Length. */
export function answerText(status: number, body: string, headers: Readonly<Record<string, string>> = {}): string {
  const fields = { 'content-length': String(Buffer.byteLength(body)), ...headers };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Status\r\n${lines.join('')}\r\n${body}`;
}
