import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { S3Request } from '../s3/message.ts';
import { ownRequest } from '../s3/own-request.ts';
import { Query } from '../s3/query.ts';
import { decodeUri } from '../s3/uri.ts';
import { childText, parseXml, type XmlElement } from '../s3/xml.ts';
import type { TidyStorage } from './place.ts';

/** A storage that takes longer for one of these small questions has failed. */
const QUESTION_MS = 60_000;

export interface Question {
  readonly method: 'GET' | 'DELETE';
  /** The storage's own; undefined for the storage itself. */
  readonly bucket: string | undefined;
  readonly key?: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
}

/** What a storage said, and what Sluice made up of it, as its log would. */
export interface Told {
  readonly root: XmlElement;
  readonly emulated: string | undefined;
}

type Asked = Pick<TidyStorage, 'handler'>;

/** Has a storage do something. What it answers is dropped. @throws S3Error */
export async function tell(storage: Asked, question: Question, signal: AbortSignal): Promise<void> {
  const { body } = await storage.handler(requestOf(question, signal));
  if (body instanceof Readable) body.destroy();
}

/** Asks for a document. @throws S3Error, also for a document with another root */
export async function ask(
  storage: Asked,
  question: Question & { readonly root: string },
  signal: AbortSignal,
): Promise<Told> {
  const request = requestOf(question, signal);
  const { body } = await storage.handler(request);
  const bytes = body instanceof Readable ? await buffer(body) : (body ?? new Uint8Array());
  const emulated = request.notes.get('emulated');
  return {
    root: parseXml(bytes, question.root),
    emulated: emulated === undefined ? undefined : String(emulated),
  };
}

/** @throws the signal's reason when it has aborted */
function requestOf({ method, bucket, key, query = {} }: Question, signal: AbortSignal): S3Request {
  signal.throwIfAborted();
  const parameters = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  return ownRequest({
    id: 'CLEANUP',
    method,
    bucket,
    key,
    query: new Query(parameters),
    signal: AbortSignal.any([signal, AbortSignal.timeout(QUESTION_MS)]),
  });
}

/** A key as a listing writes it. Undefined when it is not there, or cannot be read. */
export function keyText(listing: XmlElement, item: XmlElement | undefined, name: string): string | undefined {
  const text = item && childText(item, name);
  if (text === undefined || childText(listing, 'EncodingType') !== 'url') return text;
  return decodeUri(text.replaceAll('+', ' '));
}

/** A time as a document writes it; undefined when it is none. */
export function timeOf(item: XmlElement, name: string): Date | undefined {
  const time = new Date(childText(item, name) ?? '');
  return Number.isNaN(time.getTime()) ? undefined : time;
}
