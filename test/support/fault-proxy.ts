import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { generator } from './cache-history.ts';

/** What a line does to the bytes that come back over it. */
export interface Line {
  /** Milliseconds one way; taken on the way back. */
  readonly latency?: number;
  /** Bytes a second of each connection. */
  readonly rate?: number;
  /** Chance, for each 64 KiB, that the connection is cut there. */
  readonly cut?: number;
  /** Chance, for each 64 KiB, that nothing more comes for `stallMs`. */
  readonly stall?: number;
  readonly stallMs?: number;
}

export interface FaultProxy {
  readonly port: number;
  /** Bytes that came back over it so far. */
  bytes(): number;
  /** Of connections to come, and of what those open still bring. */
  set(line: Line): void;
  close(): Promise<void>;
}

const CHUNK = 64 * 1024;

/** A line in user space to a port of this machine. The same seed gives the same faults to the same traffic. */
export async function startFaultProxy(target: number, line: Line, seed = 1): Promise<FaultProxy> {
  const random = generator(seed);
  const sockets = new Set<Socket>();
  const closing = new AbortController();
  const { signal } = closing;
  let current = line;
  let bytes = 0;
  const server = createServer((client) => void serve(client));
  const serve = async (client: Socket): Promise<void> => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket
        .on('error', () => undefined)
        .once('close', () => {
          sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
    }
    client.pipe(upstream);
    try {
      let due = 0;
      for await (const received of upstream as AsyncIterable<Buffer>) {
        for (let rest = received; rest.length > 0; rest = rest.subarray(CHUNK)) {
          const chunk = rest.subarray(0, CHUNK);
          const { latency = 0, rate, cut = 0, stall = 0, stallMs = 0 } = current;
          if (random() < cut) return void client.destroy();
          if (random() < stall) await delay(stallMs, undefined, { signal });
          const now = performance.now();
          // After a pause the first bytes take the way, those behind them only their turn.
          if (now - due > Math.max(latency, 20)) due = now + latency;
          due += rate === undefined ? 0 : (chunk.length / rate) * 1000;
          if (due - now > 1) await delay(due - now, undefined, { signal });
          bytes += chunk.length;
          if (!client.write(chunk)) await once(client, 'drain');
        }
      }
      client.end();
    } catch {
      // One end is gone: so is the other, by the listeners above.
      client.destroy();
    }
  };
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  // A TCP server's address is never a pipe name.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    bytes: () => bytes,
    set: (next) => {
      current = next;
    },
    close: async () => {
      if (!server.listening) return;
      closing.abort();
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
