import { createSecretKey } from 'node:crypto';
import { buildCatalog, type CatalogInput } from '../../src/route/catalog.ts';
import { type RouteOptions, route } from '../../src/route/router.ts';
import { S3Error } from '../../src/s3/error.ts';
import { encodeKey, encodeUri } from '../../src/s3/uri.ts';
import { type RequestParts, s3Request, textOf } from './s3-request.ts';

export interface Answered {
  readonly status: number;
  /** The code of an error, thrown or answered. */
  readonly code: string | undefined;
  readonly text: string;
  /** Head and body as one text, to look for what must not be there. */
  readonly all: string;
  readonly headers: ReadonlyMap<string, string>;
}

export type Caller = (parts: RequestParts & { readonly query?: string }) => Promise<Answered>;

/** What storages bind their tokens with. */
export const tokenKey = createSecretKey(Buffer.from('a secret of the tests'));

/** A router over a configuration, and callers of it by credential name; `anonymous` is nobody. */
export function routed(input: CatalogInput, options: Partial<RouteOptions> = {}): { as: (name: string) => Caller } {
  const handler = route(buildCatalog(input), options);
  return {
    as: (name) => async (parts) => {
      const credential = input.credentials.find((each) => each.name === name);
      const identity = credential && { name, accessKey: credential.accessKey };
      const headers = { host: 'gateway.example:9000', ...parts.headers };
      const request = { ...s3Request({ ...parts, headers }), identity };
      try {
        const response = await handler(request);
        const text = await textOf(response);
        const head = [...response.headers].map(([field, value]) => `${field}: ${value}`).join('\n');
        const code = /<Error>.*?<Code>(\w+)</s.exec(text)?.[1];
        return { status: response.status, code, text, all: `${head}\n\n${text}`, headers: response.headers };
      } catch (error) {
        if (!(error instanceof S3Error)) throw error;
        const shown = [...Object.entries(error.detail), ...(error.headers ?? [])].flat().join('\n');
        const all = `${error.message}\n${shown}`;
        return { status: error.status, code: error.code, text: '', all, headers: error.headers ?? new Map() };
      }
    },
  };
}

/** A query string from its decoded values. */
export function queryOf(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${encodeUri(name)}=${encodeUri(value)}`)
    .join('&');
}

export function deleteDocument(keys: readonly string[], isQuiet = false): string {
  const objects = keys.map((key) => `<Object><Key>${escape(key)}</Key></Object>`).join('');
  return `<Delete>${objects}${isQuiet ? '<Quiet>true</Quiet>' : ''}</Delete>`;
}

/** Texts of all elements of a name. */
export function texts(document: string, element: string): string[] {
  return [...document.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, 'g'))].map(([, text]) => text ?? '');
}

export function copySource(bucket: string, key: string): string {
  return `/${bucket}/${encodeKey(key)}`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
