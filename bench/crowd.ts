/**
 * Clients that all want one object at once, and little else: raw sockets in one process, so that what is measured is the
 * server. Prints JSON: milliseconds to the first byte of each body, in order.
 *
 *   node bench/crowd.ts PORT PATH CLIENTS BYTES       each client leaves after so many bytes
 */
import { connect } from 'node:net';

const [port, path = '/', clients, bytes] = [
  Number(process.argv[2]),
  process.argv[3],
  Number(process.argv[4]),
  Number(process.argv[5]),
];
/** Nobody looks at what comes: one piece of memory for all. */
const memory = Buffer.allocUnsafe(2 ** 20);
const firsts: number[] = [];
let left = clients;
const started = performance.now();
for (let client = 0; client < clients; client++) {
  let first: number | undefined;
  let received = 0;
  const socket = connect({
    host: '127.0.0.1',
    port,
    onread: {
      buffer: memory,
      callback: (length) => {
        let body = length;
        if (received === 0) {
          const head = memory.subarray(0, length).indexOf('\r\n\r\n');
          if (head < 0 || memory.toString('latin1', 9, 12) !== '200')
            throw new Error(memory.toString('latin1', 0, length));
          body -= head + 4;
        }
        received += Math.max(body, 1);
        if (body > 0) first ??= performance.now() - started;
        if (received < bytes) return true;
        socket.destroy();
        firsts.push(first ?? 0);
        left--;
        if (left === 0) process.stdout.write(JSON.stringify(firsts.sort((a, b) => a - b)));
        return false;
      },
    },
  });
  socket.once('connect', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`));
}
