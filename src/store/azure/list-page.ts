import { S3Error } from '../../s3/error.ts';
import { decodeUri } from '../../s3/uri.ts';
import { childText, type XmlElement } from '../../s3/xml.ts';
import { type Blob, makeBlob } from './blob.ts';
import type { AzureClient } from './client.ts';

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
  /** In the order of UTF-16 code units, which is Azure's and that of `<`. */
  readonly items: readonly ListItem[];
  /** Azure's own, for the next page; undefined on the last one. */
  readonly marker: string | undefined;
}

/** One page of a container. It may be short, or empty, without being the last. */
export async function listPage(client: AzureClient, input: ListPageInput): Promise<ListPage> {
  const { container, prefix, delimiter, maxResults, marker, startFrom } = input;
  const root = await client.document({
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
  const list = root.children.find((child) => child.name === 'Blobs')?.children ?? [];
  const items = list.flatMap(itemOf);
  return { items: items.sort(byName), marker: childText(root, 'NextMarker') || undefined };
}

function itemOf(element: XmlElement): ListItem[] {
  if (element.name === 'BlobPrefix') return [{ name: nameOf(element), blob: undefined }];
  if (element.name !== 'Blob') return [];
  const properties = fieldsOf(element, 'Properties');
  return [
    {
      name: nameOf(element),
      blob: makeBlob({
        azureEtag: properties.get('etag') ?? '',
        size: Number(properties.get('content-length')),
        lastModified: properties.get('last-modified') ?? '',
        contentMd5: properties.get('content-md5'),
        properties,
        metadata: fieldsOf(element, 'Metadata'),
        tier: properties.get('accesstier'),
        tagCount: Number(properties.get('tagcount') ?? 0),
        copyStatus: properties.get('copystatus'),
        isFolder: properties.get('resourcetype') === 'directory',
      }),
    },
  ];
}

function fieldsOf(element: XmlElement, name: string): ReadonlyMap<string, string> {
  const fields = element.children.find((child) => child.name === name)?.children ?? [];
  return new Map(fields.map((field) => [field.name.toLowerCase(), field.text]));
}

function nameOf(element: XmlElement): string {
  const name = childText(element, 'Name') ?? decodeUri(childText(element, 'EncodedName') ?? '');
  if (name === undefined || name === '') {
    throw new S3Error('ServiceUnavailable', { cause: new Error('Azure listed a blob without a name') });
  }
  return name;
}

/** Some services give all prefixes before all blobs. */
function byName(a: ListItem, b: ListItem): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
