import { connect } from 'node:net';

/** What came back on a raw connection, until the other side closed it or a whole answer was there. */
export interface RawAnswer {
  readonly text: string;
  readonly status: number;
  readonly code: string | undefined;
  readonly isClosed: boolean;
}

/**
 * Sends bytes as they are and reads one answer: its head and as many bytes as its Content-Length says.
 * Ends when the answer is whole, or when the server closes.
 */
export function exchange(
  port: number,
  bytes: string | Buffer,
  options: { readonly untilClose?: boolean } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const finish = (isClosed: boolean) => {
      socket.destroy();
      resolve({
        text,
        isClosed,
        status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, ''))?.[1] ?? 0),
        code: /<Code>(\w+)<\/Code>/.exec(text)?.[1],
      });
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (options.untilClose !== true && isWhole(text)) finish(false);
    });
    socket.on('close', () => finish(true));
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? finish(true) : reject(error)));
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  });
}

function isWhole(text: string): boolean {
  const final = text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
  const end = final.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(final.slice(0, end))?.[1] ?? 0);
  return final.length >= end + 4 + length;
}
