import { type AuthenticateOptions, authenticate } from '../../src/auth/authenticate.ts';
import type { Credential } from '../../src/auth/credentials.ts';
import type { S3Request } from '../../src/s3/message.ts';
import { type RequestOptions, requestOf } from './request.ts';

export const NOW = new Date('2026-11-20T12:00:00Z');
export const HOST = '127.0.0.1:9000';

/** A credential that may sign either way. */
export const CALLER: Credential = {
  name: 'caller',
  accessKey: 'AKCALLER',
  secretKey: 'secret/of+the caller',
  signatures: ['v4', 'v2'],
};

/** One that keeps to the default. */
export const V4_ONLY: Credential = { name: 'modern', accessKey: 'AKV4', secretKey: 'another', signatures: ['v4'] };

export interface GateOptions extends Partial<AuthenticateOptions> {
  readonly time?: Date;
}

/** Gives a request to the layer; resolves with what it hands on, or rejects as the layer does. */
export async function through(request: RequestOptions | S3Request, options: GateOptions = {}): Promise<S3Request> {
  const known = new Map([CALLER, V4_ONLY].map((credential) => [credential.accessKey, credential]));
  const layer = authenticate({
    credentials: (accessKey) => known.get(accessKey),
    domains: [],
    now: () => options.time ?? NOW,
    allowAnonymous: () => false,
    ...options,
  });
  let passed: S3Request | undefined;
  const domains = options.domains ?? [];
  await layer(async (handed) => {
    passed = handed;
    return { status: 200, headers: new Map(), body: null };
  })('rawPath' in request ? request : requestOf({ domains, ...request }));
  if (passed === undefined) throw new Error('the layer answered by itself');
  return passed;
}

/** The code a request is refused with, or `accepted`. */
export async function verdict(request: RequestOptions | S3Request, options: GateOptions = {}): Promise<string> {
  try {
    await through(request, options);
    return 'accepted';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : `threw ${error}`;
  }
}
