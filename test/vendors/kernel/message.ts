import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { splitTarget } from '../../support/slow-verifier.ts';

/** One request as a stand-in sees it. */
export interface Asked {
  readonly method: string;
  /** Path and query as on the wire. */
  readonly target: string;
  /** Decoded parameters in the order received. */
  readonly parameters: readonly (readonly [string, string])[];
  /** Lower-case names, latin1 values; what came twice is joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** The Host header without its port. */
  readonly host: string;
  readonly addressing: 'path' | 'virtual';
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly body: Readable;
}

/** What a stand-in answers. A stream in `body` is consumed or destroyed by the server. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Readable;
}

/** An answer of the kind a vendor gives to what it does not take. */
export class VendorError extends Error {
  readonly status: number;
  readonly code: string;
  /** Elements of the error document beside Code and Message. */
  readonly details: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, details: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

const utf8 = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8');

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new VendorError(400, 'InvalidURI', `Couldn't parse the specified URI: ${text}`);
  }
}

/**
 * Reads the head of a request.
 * @param serviceHost the stand-in's own host name; a longer one has the bucket before it
 * @param isVirtual whether this vendor looks for a bucket in the Host header at all
 * @throws VendorError for what cannot be read
 */
export function readHead(message: IncomingMessage, serviceHost: string, isVirtual: boolean): Asked {
  const headers: Record<string, string> = {};
  const raw = message.rawHeaders;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = raw[index + 1] ?? '';
    headers[name] = headers[name] === undefined ? value : `${headers[name]},${value}`;
  }
  // Clients that go through a proxy send the whole URL: the direct runs do.
  const target = (message.url ?? '/').replace(/^http:\/\/[^/?]*/, '') || '/';
  const { path, pairs } = splitTarget(target);
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  const inHost = isVirtual && host.endsWith(`.${serviceHost}`) ? host.slice(0, -serviceHost.length - 1) : undefined;
  const [, first = '', rest] = /^\/([^/]*)(?:\/(.*))?$/s.exec(path) ?? [];
  const bucket = inHost ?? (decode(first) || undefined);
  const key = inHost === undefined ? decode(rest ?? '') : decode(path.slice(1));
  return {
    method: message.method ?? '',
    target,
    parameters: pairs.map(([name, value]) => [utf8(name), utf8(value)] as const),
    headers,
    host,
    addressing: inHost === undefined ? 'path' : 'virtual',
    bucket,
    key: key === '' ? undefined : key,
    body: message,
  };
}

/** The value of a parameter; undefined when it is not there. */
export function parameter(asked: Asked, name: string): string | undefined {
  return asked.parameters.find(([other]) => other === name)?.[1];
}

/** Whether a header says that the body comes in chunks of `aws-chunked`. */
export function isFramed(asked: Asked): boolean {
  return (
    /(^|,)\s*aws-chunked\s*(,|$)/i.test(asked.headers['content-encoding'] ?? '') ||
    (asked.headers['x-amz-content-sha256'] ?? '').startsWith('STREAMING-')
  );
}
