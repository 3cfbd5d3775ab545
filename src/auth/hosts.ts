import { parseAddress } from '../s3/address.ts';
import { S3Error } from '../s3/error.ts';
import type { S3Request } from '../s3/message.ts';

/**
 * The hosts a signature may have been made for: the one received, the same without a default port (clients
 * drop it, proxies add it), and each configured domain with and without its port and the received one.
 *
 * A host only stands here when it addresses the same bucket and key as the request does. Otherwise a URL that
 * was signed for `/photos/a` on `DOMAIN` could be sent to `other.DOMAIN` and read `photos/a` of another bucket.
 * @param domains as configured, ports optional
 */
export function signedHosts(
  request: Pick<S3Request, 'headers' | 'rawPath' | 'bucket' | 'key' | 'addressing'>,
  domains: readonly string[],
): readonly string[] {
  const received = request.headers.get('host') ?? '';
  const hosts = new Set([received, received.replace(/:(?:80|443)$/, '')]);
  const port = /:\d+$/.exec(received)?.[0] ?? '';
  const names = domains.map(withoutPort);
  const prefix = request.addressing === 'virtual' ? `${request.bucket}.` : '';
  for (const [index, domain] of domains.entries()) {
    const name = names[index] ?? domain;
    for (const host of [name, `${name}${port}`, domain]) {
      if (addressesSame(request, prefix + host, names)) hosts.add(prefix + host);
    }
  }
  return [...hosts];
}

function withoutPort(domain: string): string {
  return domain.replace(/:\d+$/, '');
}

function addressesSame(
  request: Pick<S3Request, 'rawPath' | 'bucket' | 'key' | 'addressing'>,
  host: string,
  domains: readonly string[],
): boolean {
  try {
    const address = parseAddress(host, request.rawPath, domains);
    return (
      address.bucket === request.bucket && address.key === request.key && address.addressing === request.addressing
    );
  } catch (error) {
    if (error instanceof S3Error) return false;
    throw error;
  }
}
