import { createHmac } from 'node:crypto';
import type { Headers } from '../../s3/headers.ts';
import { encodeUri } from '../../s3/uri.ts';
import type { AzureAccount } from './account.ts';

/** The version whose string to sign this is; later ones sign a service SAS the same way. */
const VERSION = '2022-11-02';

/** Leave to read one blob for a while. */
export interface ReadGrant {
  readonly container: string;
  readonly blob: string;
  readonly expires: Date;
  /** The stored access policy that says what may be done; without one it is reading. */
  readonly policy: string | undefined;
  /** Response headers that are to be others than the blob's, by name. Only those of `OVERRIDES` can be. */
  readonly overrides: Headers;
}

/** The response headers that a SAS can change, in the order in which they are signed. */
const OVERRIDES = {
  'cache-control': 'rscc',
  'content-disposition': 'rscd',
  'content-encoding': 'rsce',
  'content-language': 'rscl',
  'content-type': 'rsct',
} as const;

/** Whether a SAS can ask for all of these headers; values beyond ASCII do not come back as they were signed. */
export function canOverride(headers: Headers): boolean {
  return [...headers].every(([name, value]) => Object.hasOwn(OVERRIDES, name) && /^[\x20-\x7e]*$/.test(value));
}

/**
 * The query of a service SAS for one blob, signed with the account's key.
 * https://learn.microsoft.com/rest/api/storageservices/create-service-sas
 */
export function readSas({ name, origin }: AzureAccount, key: Buffer, grant: ReadGrant): string {
  const overrides = Object.entries(OVERRIDES).map(
    ([header, parameter]) => [parameter, grant.overrides.get(header) ?? ''] as const,
  );
  const expiry = `${grant.expires.toISOString().slice(0, 19)}Z`;
  // What a policy says must not be said here too; the time stays ours, so that a URL ends soon.
  const permissions = grant.policy === undefined ? 'r' : '';
  const protocol = origin.protocol === 'https' ? 'https' : '';
  const policy = grant.policy ?? '';
  const resource = `/blob/${name}/${grant.container}/${grant.blob}`;
  const [noStart, noAddress, noSnapshot, noScope] = ['', '', '', ''];
  const text = [
    ...[permissions, noStart, expiry, resource, policy, noAddress, protocol, VERSION, 'b', noSnapshot, noScope],
    ...overrides.map(([, value]) => value),
  ].join('\n');
  const parameters = [
    ['sv', VERSION],
    ['sr', 'b'],
    ['sp', permissions],
    ['se', expiry],
    ['si', policy],
    ['spr', protocol],
    ...overrides,
    ['sig', createHmac('sha256', key).update(text, 'utf8').digest('base64')],
  ] as const;
  return parameters
    .filter(([, value]) => value !== '')
    .map(([parameter, value]) => `${parameter}=${encodeUri(value)}`)
    .join('&');
}
