import { escapeXml } from '../../src/s3/xml.ts';
import { AccountTraits } from '../../src/store/azure/account-traits.ts';
import type { AzureClient, AzureRequest } from '../../src/store/azure/client.ts';
import type { Context } from '../../src/store/azure/context.ts';
import { BY_PATH, FLAT } from '../../src/store/azure/name-order.ts';
import { Uploads } from '../../src/store/azure/uploads.ts';

export interface FakeListing {
  readonly names: readonly string[];
  readonly isHierarchical?: boolean;
  /** As services before 2026 do. */
  readonly ignoresStartFrom?: boolean;
  /** Most entries of a page, whatever is asked for. */
  readonly mostEntries?: number;
  /** Now and then a page with nothing in it that is not the last, as Azure is free to give. */
  readonly hasEmptyPages?: boolean;
}

/** A context whose client answers listings as Azure documents them, and nothing else; and the requests it got. */
export function listingContext(listing: FakeListing): { readonly context: Context; readonly requests: AzureRequest[] } {
  const requests: AzureRequest[] = [];
  const { rank } = listing.isHierarchical === true ? BY_PATH : FLAT;
  const sorted = [...listing.names].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  const none = (): never => {
    throw new Error('not for listings');
  };
  const client: AzureClient = {
    account: {
      name: 'fake',
      origin: { protocol: 'http', host: 'fake', port: 80 },
      basePath: '',
      credential: { kind: 'sas', token: 'ss=b&sp=rl' },
    },
    send: none,
    document: none,
    sourceUrl: none,
    clock: none,
    async head() {
      return new Map([['x-ms-is-hns-enabled', String(listing.isHierarchical === true)]]);
    },
    async read(request) {
      requests.push(request);
      return Buffer.from(answer(listing, sorted, request.query ?? {}));
    },
  };
  const context = {
    client,
    now: () => 0,
    traits: new AccountTraits(client, { warn: () => undefined, error: none }),
    uploads: new Uploads(client),
    delivery: undefined,
  };
  return { context, requests };
}

function answer(listing: FakeListing, sorted: readonly string[], query: NonNullable<AzureRequest['query']>): string {
  const { rank } = listing.isHierarchical === true ? BY_PATH : FLAT;
  const text = (name: string): string => String(query[name] ?? '');
  const [prefix, delimiter] = [text('prefix'), text('delimiter')];
  const from = listing.ignoresStartFrom === true ? '' : text('startFrom');
  // Opaque to clients: a place in the listing. `e` stands for an empty page before it.
  const marker = /^(e?)mark(\d+)$/.exec(text('marker'));
  if (marker?.[1] === 'e') return page([], [], `mark${marker[2]}`);
  const most = Math.min(Number(query.maxresults), listing.mostEntries ?? 5000);
  const blobs: string[] = [];
  const groups: string[] = [];
  let next = '';
  for (const [index, name] of sorted.entries()) {
    if (!name.startsWith(prefix) || index < Number(marker?.[2] ?? 0) || (from !== '' && rank(name) < rank(from)))
      continue;
    const at = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length);
    const group = at < 0 ? undefined : name.slice(0, at + delimiter.length);
    if (group !== undefined && groups.includes(group)) continue;
    if (blobs.length + groups.length === most) {
      next = `${listing.hasEmptyPages === true ? 'e' : ''}mark${index}`;
      break;
    }
    if (group === undefined) blobs.push(name);
    else groups.push(group);
  }
  return page(blobs, groups, next);
}

function page(blobs: readonly string[], groups: readonly string[], next: string): string {
  const entries = blobs.map(
    (name) =>
      `<Blob><Name>${escapeXml(name)}</Name><Properties><Last-Modified>Fri, 20 Nov 2026 10:00:00 GMT</Last-Modified><Etag>0x8D1</Etag><Content-Length>1</Content-Length><Content-Type /><Content-MD5>1B2M2Y8AsgTpgAmY7PhCfg==</Content-MD5></Properties><Metadata /></Blob>`,
  );
  const prefixes = groups.map((name) => `<BlobPrefix><Name>${escapeXml(name)}</Name></BlobPrefix>`);
  return `\uFEFF<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="x" ContainerName="y"><Blobs>${prefixes.join('')}${entries.join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`;
}
