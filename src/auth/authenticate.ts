import { S3Error } from '../s3/error.ts';
import type { Headers } from '../s3/headers.ts';
import type { Identity, Layer, S3Request } from '../s3/message.ts';
import { acceptedHeaders, withoutQuerySignature } from './accepted.ts';
import type { ChunkSeed } from './chunk-signature.ts';
import { type Credential, type CredentialLookup, SigningKeys } from './credentials.ts';
import { chooseMechanism, type Mechanism } from './mechanism.ts';
import { verifyPayload } from './payload.ts';
import { MAX_UPLOAD_BYTES, type PayloadMode, parsePayloadMode, planPayload } from './payload-plan.ts';
import { postObject } from './post-object.ts';
import { credentialFinder, type Verifier } from './verifier.ts';
import { verifyV2 } from './verify-v2.ts';
import { verifyV4 } from './verify-v4.ts';

export interface AuthenticateOptions {
  readonly credentials: CredentialLookup;
  /** Hosts a signature may have been made for, besides the Host received; ports optional. */
  readonly domains: readonly string[];
  readonly now: () => Date;
  /** Whether a request that nobody signed may read. Writes never may. */
  readonly allowAnonymous: (request: S3Request) => boolean;
  /** The largest object or part in one request, in bytes; 5 GiB unless told. */
  readonly maxUploadBytes?: number;
}

/** Who signed a request, and what the signature says of its body. */
interface Acceptance {
  readonly credential: Credential | undefined;
  readonly mode: PayloadMode;
  readonly seed: ChunkSeed | undefined;
  /** The request, with presigned parameters taken out. */
  readonly request: S3Request;
}

/**
 * The layer that lets only signed requests pass (and anonymous reads where allowed). What it hands on has an
 * identity, no trace of the signature or the upload framing, and a body that fails unless it is what was signed:
 * see `verifyPayload`. The body is not touched before the signature was accepted; when the layer throws, the
 * body is still the caller's.
 *
 * @throws S3Error (the handler made of it) with AWS's code for each thing that can be wrong
 */
export function authenticate(options: AuthenticateOptions): Layer {
  const verifier: Verifier = {
    keys: new SigningKeys(),
    domains: options.domains,
    now: options.now,
    find: credentialFinder(options.credentials),
  };
  const maxBytes = options.maxUploadBytes ?? MAX_UPLOAD_BYTES;
  return (next) => async (received) => {
    checkHeaderValues(received.headers);
    const mechanism = chooseMechanism(received);
    if (received.operation === 'PostObject') {
      if (mechanism !== 'anonymous') {
        throw new S3Error('InvalidArgument', { message: 'A form carries its signature in its fields.' });
      }
      return postObject(received, { next, verifier, maxBytes });
    }
    const { credential, mode, seed, request } = accept(received, mechanism, verifier, options);
    const plan = planPayload(request, mode, maxBytes);
    const payload = verifyPayload(request.body, plan, seed);
    if (credential !== undefined) request.notes.set('credential', credential.name);
    return next({
      ...request,
      identity: identityOf(credential),
      signedIn: SIGNED_IN[mechanism],
      headers: acceptedHeaders(request.headers, plan),
      body: payload.body,
      bodyLength: payload.length,
      bodyChecksum: payload.checksum,
      bodyClaims: { md5: plan.md5, algorithm: plan.checksum?.algorithm ?? plan.trailer },
    });
  };
}

const SIGNED_IN = {
  'v4-header': 'header',
  'v4-query': 'query',
  'v2-header': 'header',
  'v2-query': 'query',
  anonymous: 'nowhere',
} as const satisfies Record<Mechanism, S3Request['signedIn']>;

function accept(
  request: S3Request,
  mechanism: Mechanism,
  verifier: Verifier,
  { allowAnonymous }: AuthenticateOptions,
): Acceptance {
  switch (mechanism) {
    case 'v4-header':
      return { ...verifyV4(request, 'header', verifier), request };
    case 'v4-query':
      return { ...verifyV4(request, 'query', verifier), request: withoutQuerySignature(request, 'v4') };
    case 'v2-header':
      return { ...verifyV2(request, 'header', verifier), seed: undefined };
    case 'v2-query':
      return { ...verifyV2(request, 'query', verifier), seed: undefined };
    case 'anonymous':
      return { ...acceptAnonymous(request, allowAnonymous), request };
    default:
      return mechanism satisfies never;
  }
}

/** What clients send with any read, signed or not. */
const ANONYMOUS_HEADERS: ReadonlySet<string> = new Set([
  'x-amz-checksum-mode',
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-expected-bucket-owner',
  'x-amz-request-payer',
  'x-amz-user-agent',
]);

function acceptAnonymous(
  request: S3Request,
  allowAnonymous: (request: S3Request) => boolean,
): Omit<Acceptance, 'request'> {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const changesMeaning = [...request.headers.keys()].some(
    (name) => name.startsWith('x-amz-') && !ANONYMOUS_HEADERS.has(name),
  );
  if (!isRead || changesMeaning || !allowAnonymous(request)) throw new S3Error('AccessDenied');
  // Whoever may write an object could have a victim's browser show it as a page of this host.
  if (request.query.parameters.some(({ name }) => name.startsWith('response-'))) {
    throw new S3Error('InvalidRequest', {
      message: 'Request specific response headers cannot be used for anonymous GET requests.',
    });
  }
  return { credential: undefined, mode: parsePayloadMode('UNSIGNED-PAYLOAD'), seed: undefined };
}

function identityOf(credential: Credential | undefined): Identity | undefined {
  return credential && { name: credential.name, accessKey: credential.accessKey };
}

/** node refuses these in headers; here it is a guarantee, since signatures are over lines. */
function checkHeaderValues(headers: Headers): void {
  for (const [name, value] of headers) {
    if (/[\r\n\0]/.test(value)) throw new S3Error('InvalidArgument', { detail: { ArgumentName: name } });
  }
}
