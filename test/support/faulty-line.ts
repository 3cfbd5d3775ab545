import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * How a storage lets its clients down: nobody listens, nobody answers, it fails in the middle (500 to half of an upload,
 * a download cut off), or it refuses every upload for want of space.
 */
export type Fault = 'none' | 'down' | 'slow' | 'halfway' | 'refusing';

export interface FaultyLine {
  readonly port: number;
  /** From now on, for connections that are open too: they break. */
  set(fault: Fault): void;
  close(): Promise<void>;
}

const UPLOAD = /^(PUT|POST) /;

/** A port that leads to another one of this machine, with faults on the way. */
export async function startFaultyLine(target: number): Promise<FaultyLine> {
  const sockets = new Set<Socket>();
  let fault: Fault = 'none';
  const server = createServer((client) => {
    if (fault === 'down') return void client.destroy();
    const keep = (socket: Socket): Socket => {
      sockets.add(socket);
      return socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    };
    keep(client);
    if (fault === 'slow') return void client.resume();
    const vendor = keep(connect(target, '127.0.0.1'));
    client.once('close', () => vendor.destroy());
    vendor.once('close', () => client.destroy());
    let isBroken = false;
    client.on('data', (chunk: Buffer) => {
      const isUpload = UPLOAD.test(chunk.toString('latin1', 0, 8));
      const status = { refusing: '507 Insufficient Storage', halfway: '500 Internal Server Error' }[String(fault)];
      if (status !== undefined && isUpload) {
        isBroken = true;
        // Not before some of the body has come.
        setImmediate(() => client.end(answer(status)));
      }
      if (!isBroken) vendor.write(chunk);
    });
    vendor.on('data', (chunk: Buffer) => {
      if (fault !== 'halfway') return void client.write(chunk);
      client.end(chunk.subarray(0, Math.ceil(chunk.length / 2)));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    // A TCP server's address is never a pipe name.
    port: (server.address() as AddressInfo).port,
    set(next) {
      fault = next;
      breakAll();
    },
    async close() {
      server.close();
      breakAll();
      await once(server, 'close');
    },
  };
}

function answer(status: string): string {
  const body = '<Error><Code>InternalError</Code><Message>CANARY</Message></Error>';
  return `HTTP/1.1 ${status}\r\nContent-Type: application/xml\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
}
