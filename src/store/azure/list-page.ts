import { type Blob, makeBlob } from './blob.ts';
import type { AzureClient } from './client.ts';
import { type ListedEntry, readListing } from './list-document.ts';

export interface ListPageInput {
  readonly container: string;
  /** Of blob names. */
  readonly prefix: string;
  readonly delimiter?: string | undefined;
  /** 1 to 5000. */
  readonly maxResults: number;
  readonly marker?: string | undefined;
  /** Names from this one on, itself included. Older services take no notice of it. */
  readonly startFrom?: string | undefined;
}

/** A blob, or what stands for all whose names begin alike. */
export type ListItem =
  | { readonly name: string; readonly blob: Blob }
  | { readonly name: string; readonly blob: undefined };

export interface ListPage {
  /** As Azure gave them; some services give all prefixes before all blobs. */
  readonly items: readonly ListItem[];
  /** Azure's own, for the next page; undefined on the last one. */
  readonly marker: string | undefined;
}

/** One page of a container. It may be short, or empty, without being the last. */
export async function listPage(client: AzureClient, input: ListPageInput): Promise<ListPage> {
  const { container, prefix, delimiter, maxResults, marker, startFrom } = input;
  const bytes = await client.read({
    method: 'GET',
    container,
    query: {
      restype: 'container',
      comp: 'list',
      prefix: prefix === '' ? undefined : prefix,
      delimiter,
      maxresults: maxResults,
      marker,
      startFrom,
      include: 'metadata',
    },
  });
  const { entries, marker: next } = readListing(bytes);
  return { items: entries.map(itemOf), marker: next };
}

function itemOf({ name, isPrefix, properties, metadata }: ListedEntry): ListItem {
  if (isPrefix) return { name, blob: undefined };
  return {
    name,
    blob: makeBlob({
      azureEtag: properties.get('etag') ?? '',
      size: Number(properties.get('content-length')),
      lastModified: properties.get('last-modified') ?? '',
      contentMd5: properties.get('content-md5'),
      properties,
      metadata,
      tier: properties.get('accesstier'),
      tagCount: Number(properties.get('tagcount') ?? 0),
      copyStatus: properties.get('copystatus'),
      isFolder: properties.get('resourcetype') === 'directory',
    }),
  };
}
