import { createHash } from 'node:crypto';
import { readBody } from '../../s3/body.ts';
import { S3Error } from '../../s3/error.ts';
import { type Headers, headersOf } from '../../s3/headers.ts';
import type { Body, S3Request, S3Response } from '../../s3/message.ts';
import { type KnownOperation, OPERATIONS } from '../../s3/operation.ts';
import { Query } from '../../s3/query.ts';
import { buildXml, type XmlNode } from '../../s3/xml.ts';

/** What a request of our own asks for; bucket and key are those of the client's request unless given. */
export interface Question {
  readonly operation: KnownOperation;
  readonly bucket?: string | undefined;
  readonly key?: string | undefined;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Headers;
  readonly body?: Body;
  /** Bytes in a body that is a stream. */
  readonly bodyLength?: number;
  readonly signal?: AbortSignal;
}

/** A request of our own on behalf of a client's, with nothing of the client's but who and where. */
export function ask(request: S3Request, question: Question): S3Request {
  const { operation, query = {}, headers = new Map(), body = null } = question;
  const row: { readonly method: string; readonly resource: string } = OPERATIONS[operation];
  const parameters = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  return {
    ...request,
    operation,
    method: row.method,
    bucket: question.bucket ?? request.bucket,
    key: row.resource === 'object' ? (question.key ?? request.key) : undefined,
    query: new Query(parameters),
    headers,
    body,
    bodyLength: body instanceof Uint8Array ? body.byteLength : body === null ? 0 : question.bodyLength,
    bodyChecksum: () => undefined,
    bodyClaims: undefined,
    signal: question.signal ?? request.signal,
  };
}

/** A listing of 1,000 keys, as `toResponse` limits it, in memory already. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** The document of an answer, as text. Consumes its body. */
export async function textOf(response: S3Response): Promise<string> {
  const bytes = await readBody(response.body, MAX_ANSWER_BYTES, 'ServiceUnavailable');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** The answer with another document. */
export function withText(response: S3Response, text: string): S3Response {
  const body = Buffer.from(text);
  const headers = new Map(response.headers).set('content-length', String(body.byteLength));
  return { status: response.status, headers: headers.set('content-type', 'application/xml'), body };
}

/** A fresh answer that is a document. */
export function answerXml(root: XmlNode): S3Response {
  return withText({ status: 200, headers: new Map(), body: null }, buildXml(root));
}

/** Tells the log what was done in the service's stead. */
export function noteEmulation({ notes }: S3Request, what: string): void {
  const earlier = notes.get('emulated');
  notes.set('emulated', earlier === undefined ? what : `${earlier}, ${what}`);
}

/** The request with another document; what was said of the bytes of its own is left out. */
export function withDocument(request: S3Request, text: string): S3Request {
  const body = Buffer.from(text);
  const kept = [...request.headers].filter(([name]) => !ABOUT_THE_BYTES.test(name));
  const headers = new Map(kept).set('content-md5', createHash('md5').update(body).digest('base64'));
  return { ...request, headers, body, bodyLength: body.byteLength };
}

const ABOUT_THE_BYTES = /^(content-(md5|length|encoding)|x-amz-(content-sha256|checksum-.*))$/;

/** Some headers of a request, if it has them. */
export function pick(headers: Headers, names: RegExp): Map<string, string> {
  return new Map([...headers].filter(([name]) => names.test(name)));
}

/** Only what the caller must say to see or change an object in any case: who pays, which key decrypts. */
export const ACCESS_HEADERS = /^x-amz-(request-payer|expected-bucket-owner|server-side-encryption-customer-.*)$/;

/** Whether the storage says that it has no such operation. */
export function isUnsupported(error: unknown): error is S3Error {
  return error instanceof S3Error && (error.code === 'NotImplemented' || error.code === 'MethodNotAllowed');
}

/** An answer with nothing but headers. */
export function emptyAnswer(headers: Readonly<Record<string, string | undefined>>): S3Response {
  return { status: 200, headers: headersOf({ ...headers, 'content-length': '0' }), body: null };
}

/** Runs tasks, so many at a time, and gives their results in order. The first failure is thrown when none runs any more. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  limit: number,
  run: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const work = async () => {
    while (next < items.length && failures.length === 0) {
      const index = next++;
      // `index` is below the length.
      const item = items[index] as Item;
      try {
        results[index] = await run(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  if (failures.length > 0) throw failures[0];
  return results;
}
