import { createHash } from 'node:crypto';
import { readBody } from '../../s3/body.ts';
import { S3Error } from '../../s3/error.ts';
import { AnswerFailure, TransportFailure } from '../../s3/failure.ts';
import type { Handler, S3Request } from '../../s3/message.ts';
import { ownRequest } from '../../s3/own-request.ts';
import { Query } from '../../s3/query.ts';
import { encodeKey } from '../../s3/uri.ts';

/** A question to a storage. */
export interface Question {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly key?: string;
  /** As on the wire, without `?`. */
  readonly query?: string;
  /** The object that a copy reads, in the same bucket. */
  readonly source?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

/** Asks a storage, and reads its answer whole. @throws S3Error */
export type Ask = (question: Question) => Promise<Answer>;

/** A storage that takes longer has failed. */
const QUESTION_MS = 20_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Questions to one bucket of a storage; without one, to the service itself. */
export function askOf(handler: Handler, bucket: string | undefined): Ask {
  return async (question) => {
    const response = await handler(requestOf(question, bucket));
    const bytes = await readBody(response.body, MAX_ANSWER_BYTES, 'InternalError');
    return { status: response.status, headers: response.headers, text: Buffer.from(bytes).toString('utf8') };
  };
}

function requestOf({ method, key, query, source, headers, body }: Question, bucket: string | undefined): S3Request {
  const bytes = body === undefined ? null : Buffer.from(body);
  return ownRequest({
    id: 'check',
    method,
    bucket,
    key,
    query: Query.parse(query ?? ''),
    headers: {
      // Deletions of many keys must have it.
      'content-md5': bytes === null ? undefined : createHash('md5').update(bytes).digest('base64'),
      'x-amz-copy-source': source === undefined ? undefined : `/${bucket}/${encodeKey(source)}`,
      ...headers,
    },
    body: bytes,
    signal: AbortSignal.timeout(QUESTION_MS),
  });
}

/** What an error says to the one who runs a check: the storage's own code, or what failed on the way. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof S3Error)) return error instanceof Error ? error.message : String(error);
  const { cause } = error;
  if (cause instanceof AnswerFailure) return `answered ${cause.status} ${cause.code ?? 'without a code'}`;
  if (cause instanceof TransportFailure) return `${cause.phase}: ${cause.code}`;
  return cause instanceof Error ? `${error.code}: ${cause.message}` : error.code;
}

/** The code of what an outcome failed with; undefined when it did not. */
export async function codeOf(outcome: Promise<unknown>): Promise<string | undefined> {
  try {
    await outcome;
    return undefined;
  } catch (error) {
    if (error instanceof S3Error) return error.code;
    throw error;
  }
}

/** The text of the first element of a name, escaped as it stands. */
export function textIn(document: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)<`).exec(document)?.[1];
}
