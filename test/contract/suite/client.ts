import { createHash } from 'node:crypto';
import type { BodyChecksum } from '../../../src/s3/checksum.ts';
import { S3Error } from '../../../src/s3/error.ts';
import type { Headers } from '../../../src/s3/headers.ts';
import type { Handler } from '../../../src/s3/message.ts';
import { encodeUri } from '../../../src/s3/uri.ts';
import { childText, parseXml, type XmlElement } from '../../../src/s3/xml.ts';
import { bytesOf, type RequestParts, s3Request } from '../../support/s3-request.ts';

/** What came back, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** The S3 error code, whether the handler threw it or answered with it. */
  readonly code: string | undefined;
  /** Elements of the error document beside code and message, when the handler threw. */
  readonly detail: Readonly<Record<string, string>>;
}

export interface CallParts extends RequestParts {
  readonly checksum?: BodyChecksum;
}

export type Call = (parts: CallParts) => Promise<Answer>;

/** Calls a handler as the layers above it do; an S3Error becomes the answer it stands for. */
export function clientOf(handler: Handler): Call {
  return async ({ checksum, ...parts }) => {
    const headers = { host: 'store.test:9000', ...parts.headers };
    const bodyClaims = { md5: undefined, algorithm: checksum?.algorithm };
    const request = { ...s3Request({ ...parts, headers }), bodyChecksum: () => checksum, bodyClaims };
    try {
      const response = await handler(request);
      const bytes = await bytesOf(response);
      const code = response.status >= 400 ? childText(parseXml(bytes), 'Code') : undefined;
      return { status: response.status, headers: response.headers, bytes, code, detail: {} };
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      const { status, code, detail } = error;
      return { status, headers: error.headers ?? new Map(), bytes: Buffer.alloc(0), code, detail };
    }
  };
}

export function document(answer: Answer): XmlElement {
  return parseXml(answer.bytes);
}

export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

/** A query string of these parameters, encoded. */
export function queryOf(parameters: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(parameters)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${encodeUri(name)}=${encodeUri(String(value))}`]))
    .join('&');
}

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

export interface ListedPage {
  readonly keys: readonly string[];
  readonly prefixes: readonly string[];
  readonly next: string | undefined;
  readonly root: XmlElement;
}

/** Lists one page with ListObjectsV2. */
export async function listPage(
  call: Call,
  bucket: string,
  parameters: Readonly<Record<string, string | number | undefined>> = {},
): Promise<ListedPage> {
  const answer = await call({ method: 'GET', bucket, query: queryOf({ 'list-type': 2, ...parameters }) });
  if (answer.status !== 200) throw new Error(`listing answered ${answer.status} ${answer.code}`);
  const root = document(answer);
  return {
    keys: childrenOf(root, 'Contents').map((entry) => childText(entry, 'Key') ?? ''),
    prefixes: childrenOf(root, 'CommonPrefixes').map((entry) => childText(entry, 'Prefix') ?? ''),
    next: childText(root, 'NextContinuationToken'),
    root,
  };
}

/** Lists to the end, page by page. */
export async function listAll(
  call: Call,
  bucket: string,
  parameters: Readonly<Record<string, string | number | undefined>> = {},
): Promise<{ readonly keys: string[]; readonly prefixes: string[]; readonly pages: number }> {
  const keys: string[] = [];
  const prefixes: string[] = [];
  let token: string | undefined;
  let pages = 0;
  do {
    const page = await listPage(call, bucket, { ...parameters, 'continuation-token': token });
    keys.push(...page.keys);
    prefixes.push(...page.prefixes);
    token = page.next;
    pages++;
  } while (token !== undefined);
  return { keys, prefixes, pages };
}
