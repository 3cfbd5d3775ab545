import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { isLending } from '../s3/lending.ts';
import type { SpentMemory } from './spent-memory.ts';

/**
 * Writes a stream to a response, with back-pressure, and leaves the response open. Resolves when the stream has
 * ended; the caller destroys both when it rejects.
 *
 * What `pipeline` does, without the AbortController and the error with its stack that it makes for each call: those
 * were a sixth of the CPU of a small GET. A body that lends its memory gets each chunk back when the socket has taken it.
 * @param spend told of what was sent and is not needed again
 * @throws the stream's error, or one saying that stream or client went away early
 */
export function pump(body: Readable, response: ServerResponse, spend: SpentMemory): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      body.off('data', onData).off('end', onEnd).off('error', settle).off('close', onBodyClose);
      response.off('drain', onDrain).off('close', onResponseClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const lender = isLending(body) ? body.lend() : undefined;
    const write = (chunk: Uint8Array): boolean => {
      if (lender === undefined) {
        spend(chunk.length);
        return response.write(chunk);
      }
      return response.write(chunk, (error) => {
        // What a closed socket still holds of it nobody says.
        if (error) lender.abandon(chunk);
        else lender.giveBack(chunk);
      });
    };
    const onData = (chunk: Uint8Array): void => {
      try {
        if (!write(chunk)) body.pause();
      } catch (error) {
        // More bytes than the Content-Length announced.
        settle(error);
      }
    };
    const onDrain = (): void => {
      body.resume();
    };
    const onEnd = (): void => settle();
    const onBodyClose = (): void => settle(body.errored ?? new Error('the body was destroyed before its end'));
    const onResponseClose = (): void => settle(new Error('the client closed the connection'));
    if (body.destroyed) return settle(body.errored ?? new Error('the body was destroyed before it was read'));
    if (response.destroyed) return settle(new Error('the client closed the connection'));
    body.on('end', onEnd).on('error', settle).on('close', onBodyClose);
    response.on('drain', onDrain).on('close', onResponseClose);
    body.on('data', onData);
  });
}
