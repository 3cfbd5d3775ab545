import { createHash, createHmac, createSecretKey, type Hash, type Hmac, type KeyObject } from 'node:crypto';
import { HttpRequest } from '@smithy/core/protocols';
import { SignatureV4 } from '@smithy/signature-v4';
import { S3Error } from '../s3/error.ts';
import { decodeHeaderText, type Headers } from '../s3/headers.ts';
import type { Query } from '../s3/query.ts';
import { encodeKey } from '../s3/uri.ts';
import type { Signature } from './dialect.ts';
import { signNative } from './sign-native.ts';
import type { Target, TargetCredentials } from './target.ts';

/** A request complete but for its signature. */
export interface Unsigned {
  readonly method: string;
  /** Path as it will be sent, without query. */
  readonly path: string;
  readonly query: Query;
  /** `host` included; under V4 `x-amz-content-sha256` too. */
  readonly headers: Headers;
  /** What V2 signs in place of the path. */
  readonly bucket: string | undefined;
  readonly key: string | undefined;
}

/** Signs for one target. Its cached keys and the clock's correction live as long as it does. */
export interface Signer {
  /** The request's headers with date and authorization. @throws S3Error InvalidArgument for a header nobody can sign */
  sign(request: Unsigned): Promise<Headers>;
  /** Takes the other side's clock, from its Date header, as right from here on. False when it says nothing new. */
  adjustClock(date: string | undefined): boolean;
}

/** A clock further off than this is not a clock. */
const MAX_SKEW = 24 * 3600_000;

export function createSigner(target: Pick<Target, 'credentials' | 'region' | 'dialect'>, now: () => Date): Signer {
  const sign = SIGNERS[target.dialect.signature](target);
  let offset = 0;
  return {
    sign: (request) => sign(request, new Date(now().getTime() + offset)),
    adjustClock(date) {
      const theirs = Date.parse(date ?? '');
      const learned = theirs - now().getTime();
      if (Number.isNaN(theirs) || Math.abs(learned) > MAX_SKEW) return false;
      offset = learned;
      return true;
    },
  };
}

type SignAt = (request: Unsigned, date: Date) => Promise<Headers>;

const SIGNERS: Readonly<Record<Signature, (target: Pick<Target, 'credentials' | 'region' | 'dialect'>) => SignAt>> = {
  v4: signerV4,
  v2:
    ({ credentials }) =>
    async (request, date) =>
      signV2(request, credentials, date),
  native: ({ credentials, region, dialect: { nativeSignature: words } }) => {
    // A configuration without them is refused before (`targetFaults`).
    if (words === undefined) throw new Error('the row has no native signature');
    return async (request, date) => signNative(request, { words, credentials, region }, date);
  },
};

/**
 * SigV4 by `@smithy/signature-v4`, over the headers that no proxy in between changes.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
function signerV4({ credentials, region }: Pick<Target, 'credentials' | 'region'>): SignAt {
  const signature = new SignatureV4({
    service: 's3',
    region,
    uriEscapePath: false,
    applyChecksum: false,
    sha256: sha256Class(),
    credentials: {
      accessKeyId: credentials.accessKey,
      secretAccessKey: credentials.secretKey,
      ...(credentials.sessionToken !== undefined && { sessionToken: credentials.sessionToken }),
    },
  });
  return async (request, signingDate) => {
    const signed = await signature.sign(
      new HttpRequest({
        method: request.method,
        path: request.path,
        query: queryBag(request.query),
        headers: headersToSign(request.headers),
      }),
      { signingDate },
    );
    const headers = new Map(request.headers);
    for (const name of ['x-amz-date', 'x-amz-security-token', 'authorization']) {
      const value = signed.headers[name];
      if (value !== undefined) headers.set(name, value);
    }
    return headers;
  };
}

function isSigned(name: string): boolean {
  return name === 'host' || name === 'content-md5' || name === 'content-type' || name.startsWith('x-');
}

/** Signatures are over bytes, and smithy encodes its strings as UTF-8: only what is UTF-8 on the wire can be signed. */
function headersToSign(headers: Headers): Record<string, string> {
  const bag: Record<string, string> = Object.create(null);
  for (const [name, value] of headers) {
    if (!isSigned(name)) continue;
    const text = decodeHeaderText(value);
    if (text === value && /[\u0080-\u00ff]/.test(value)) {
      throw new S3Error('InvalidArgument', {
        message: 'Header values must be UTF-8.',
        detail: { ArgumentName: name },
      });
    }
    bag[name] = text;
  }
  return bag;
}

function queryBag(query: Query): Record<string, string | string[]> {
  const bag: Record<string, string | string[]> = Object.create(null);
  for (const { name, value } of query.parameters) {
    const earlier = bag[name];
    bag[name] = earlier === undefined ? value : [earlier, value].flat();
  }
  return bag;
}

/**
 * The hash class smithy asks for, with `node:crypto` below. An HMAC with a KeyObject costs a seventh of one with raw
 * bytes, so the two keys that stay the same for a day (the secret, the signing key) are kept as such.
 */
function sha256Class(): new (
  secret?: string | ArrayBuffer | ArrayBufferView,
) => { update(data: Uint8Array): void; digest(): Promise<Uint8Array>; reset(): void } {
  const keys = new WeakMap<object, KeyObject>();
  let secretText: string | undefined;
  let secretKey: KeyObject | undefined;
  const keyOf = (secret: string | ArrayBuffer | ArrayBufferView): KeyObject => {
    if (typeof secret === 'string') {
      if (secretKey === undefined || secretText !== secret) secretKey = createSecretKey(Buffer.from(secret));
      secretText = secret;
      return secretKey;
    }
    const known = keys.get(secret) ?? createSecretKey(bytesOf(secret));
    keys.set(secret, known);
    return known;
  };
  return class Sha256 {
    readonly #secret: KeyObject | undefined;
    #hash: Hash | Hmac;

    constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
      this.#secret = secret === undefined ? undefined : keyOf(secret);
      this.#hash = this.#start();
    }

    update(data: Uint8Array): void {
      this.#hash.update(data);
    }

    async digest(): Promise<Uint8Array> {
      return this.#hash.digest();
    }

    reset(): void {
      this.#hash = this.#start();
    }

    #start(): Hash | Hmac {
      return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret);
    }
  };
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Buffer {
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}

/**
 * Query parameters that belong to V2's canonical resource.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html#ConstructingTheCanonicalizedResourceElement,
 * and those that services checking V2 have added since.
 */
const V2_RESOURCES: ReadonlySet<string> = new Set([
  'acl',
  'cors',
  'delete',
  'encryption',
  'lifecycle',
  'location',
  'logging',
  'notification',
  'object-lock',
  'partNumber',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'requestPayment',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
  'tagging',
  'torrent',
  'uploadId',
  'uploads',
  'versionId',
  'versioning',
  'versions',
  'website',
]);

/**
 * SigV2 in the Authorization header. The resource is `/bucket/key` in every addressing.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
 */
export function signV2(request: Unsigned, credentials: TargetCredentials, date: Date): Headers {
  const headers = new Map(request.headers);
  headers.set('date', date.toUTCString());
  if (credentials.sessionToken !== undefined) headers.set('x-amz-security-token', credentials.sessionToken);
  const signature = createHmac('sha1', credentials.secretKey).update(stringToSignV2(request, headers), 'latin1');
  return headers.set('authorization', `AWS ${credentials.accessKey}:${signature.digest('base64')}`);
}

function stringToSignV2({ method, query, bucket, key }: Unsigned, headers: Headers): string {
  const amz = [...headers]
    .filter(([name]) => name.startsWith('x-amz-'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value.trim()}\n`);
  const resource = bucket === undefined ? '/' : `/${bucket}/${encodeKey(key ?? '')}`;
  const subResources = query.parameters
    .filter(({ name }) => V2_RESOURCES.has(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    // Values are signed decoded, as bytes; `latin1` of the whole text then gives those bytes.
    .map(({ name, value }) => (value === '' ? name : `${name}=${Buffer.from(value).toString('latin1')}`));
  return [
    method,
    headers.get('content-md5') ?? '',
    headers.get('content-type') ?? '',
    headers.get('date') ?? '',
    `${amz.join('')}${resource}${subResources.length === 0 ? '' : `?${subResources.join('&')}`}`,
  ].join('\n');
}
