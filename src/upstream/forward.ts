import { Readable } from 'node:stream';
import type { IncomingResponse, Transport } from '../http/transport.ts';
import { dropBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import { AnswerFailure } from '../s3/failure.ts';
import type { Handler, S3Request } from '../s3/message.ts';
import { toResponse } from './answer.ts';
import { createSigner, type Signer } from './sign.ts';
import type { Target, UpstreamLog } from './target.ts';
import { type Translated, translate } from './translate.ts';

export interface ForwardDependencies {
  readonly transport: Transport;
  readonly now: () => Date;
  readonly log: UpstreamLog;
}

/**
 * A handler that asks a storage: the request is addressed, filtered and signed anew, and bodies stream both ways.
 * `request.bucket` and `request.key` are already the storage's; its body is decoded and verified, its framing gone.
 * What the storage answers as an error is thrown as S3Error with a `AnswerFailure` as cause; trouble on the way
 * there has a `TransportFailure` as cause. Nothing is sent twice, but for a request without a stream that was
 * refused for the clock.
 */
export function forward(target: Target, { transport, now, log }: ForwardDependencies): Handler {
  const signer = createSigner(target, now);
  return async (request) => {
    const translated = await translate(request, target);
    const answer = async () => {
      const response = await send(translated, signer, transport, request.signal);
      return toResponse(response, { ...translated, operation: request.operation }, target, log);
    };
    try {
      return await answer();
    } catch (error) {
      if (!isSkewed(error) || translated.body instanceof Readable || !signer.adjustClock(error.cause.date)) throw error;
      log.warn(
        { storage: target.name, date: error.cause.date },
        'storage has another clock; signing by it from now on',
      );
      return await answer();
    }
  };
}

async function send(
  translated: Translated,
  signer: Signer,
  transport: Transport,
  signal: S3Request['signal'],
): Promise<IncomingResponse> {
  const { origin, method, path, query, body, bodyLength } = translated;
  try {
    const headers = await signer.sign(translated);
    const text = query.toString();
    const request = { origin, method, path: text === '' ? path : `${path}?${text}`, headers, body, bodyLength, signal };
    return await transport.request(request);
  } catch (error) {
    dropBody(body);
    throw error;
  }
}

function isSkewed(error: unknown): error is S3Error & { cause: AnswerFailure } {
  return (
    error instanceof S3Error && error.cause instanceof AnswerFailure && error.cause.code === 'RequestTimeTooSkewed'
  );
}
