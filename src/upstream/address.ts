import type { Origin } from '../http/transport.ts';
import { encodeKey } from '../s3/uri.ts';
import type { Target } from './target.ts';

/** Where a request goes: whom to connect to, what Host says, and the path. */
export interface Destination {
  readonly origin: Origin;
  readonly host: string;
  readonly path: string;
}

/**
 * Addresses a bucket or key at a target. The key is encoded once, from its decoded form, and never normalised; a bucket
 * in the path always has a slash behind it, for V2 signs the two forms differently.
 */
export function destinationOf(target: Target, bucket: string | undefined, key: string | undefined): Destination {
  const { endpoint, dialect } = target;
  const path = `/${encodeKey(key ?? '')}`;
  if (bucket === undefined || dialect.addressing === 'domain') {
    return { origin: endpoint, host: hostHeader(endpoint), path };
  }
  const isUncovered = dialect.dottedBuckets === 'path' && endpoint.protocol === 'https' && bucket.includes('.');
  if (dialect.addressing === 'path' || isUncovered) {
    return { origin: endpoint, host: hostHeader(endpoint), path: `/${encodeKey(bucket)}${path}` };
  }
  const origin = { ...endpoint, host: `${bucket}.${endpoint.host}` };
  return { origin, host: hostHeader(origin), path };
}

const DEFAULT_PORT = { http: 80, https: 443 } as const;

/** Host as every HTTP client writes it, so that both sides sign the same: without the scheme's own port. */
function hostHeader({ protocol, host, port }: Origin): string {
  return port === DEFAULT_PORT[protocol] ? host : `${host}:${port}`;
}
