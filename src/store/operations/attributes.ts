import { parseConditions } from '../../s3/conditions.ts';
import { S3Error } from '../../s3/error.ts';
import type { Headers } from '../../s3/headers.ts';
import type { XmlNode } from '../../s3/xml.ts';
import { refuseUnsupported } from '../decode/attributes.ts';
import { invalidArgument, MAX_PAGE, parseCount } from '../decode/parameters.ts';
import { checksumNodes, xmlAnswer } from '../encode/answer.ts';
import type { ObjectDescription, PartInfo } from '../object-store.ts';
import { type Operations, placeOf } from '../operation.ts';

type Writer = (object: ObjectDescription, headers: Headers) => XmlNode | undefined;

/** What GetObjectAttributes can be asked for, in the order of its answer. */
const ATTRIBUTES: Readonly<Record<string, Writer>> = {
  ETag: (object) => ['ETag', object.etag],
  Checksum: (object) => (object.checksum === undefined ? undefined : ['Checksum', checksumNodes(object.checksum)]),
  ObjectParts: (object, headers) => (object.parts === undefined ? undefined : partsNode(object.parts, headers)),
  StorageClass: (object) => ['StorageClass', object.storageClass],
  ObjectSize: (object) => ['ObjectSize', object.size],
};

const WANTED = 'x-amz-object-attributes';

/** GetObjectAttributes. */
export const attributeOperations = {
  async GetObjectAttributes(request, { store }) {
    const { headers } = request;
    refuseUnsupported(headers);
    const wanted = parseWanted(headers.get(WANTED));
    const conditions = parseConditions(headers);
    const hasPartChecksums = wanted.has('ObjectParts');
    const read = { range: undefined, partNumber: undefined, conditions, headOnly: true, hasPartChecksums };
    const { object } = await store.getObject({ ...placeOf(request), ...read }, request.signal);
    const nodes = Object.entries(ATTRIBUTES).flatMap(([name, write]) => {
      const node = wanted.has(name) ? write(object, headers) : undefined;
      return node === undefined ? [] : [node];
    });
    return xmlAnswer(['GetObjectAttributesResponse', nodes], { 'last-modified': object.lastModified.toUTCString() });
  },
} satisfies Operations;

function parseWanted(header: string | undefined): ReadonlySet<string> {
  const names = (header ?? '').split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  if (names.length === 0) {
    throw new S3Error('InvalidArgument', {
      message:
        'The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty',
      detail: { ArgumentName: WANTED },
    });
  }
  const unknown = names.find((name) => !Object.hasOwn(ATTRIBUTES, name));
  if (unknown !== undefined) throw invalidArgument(WANTED, unknown, 'Invalid attribute name specified.');
  return new Set(names);
}

function partsNode(parts: readonly PartInfo[], headers: Headers): XmlNode {
  const after = parseCount('x-amz-part-number-marker', headers.get('x-amz-part-number-marker'), 0);
  const limit = Math.min(parseCount('x-amz-max-parts', headers.get('x-amz-max-parts'), MAX_PAGE), MAX_PAGE);
  const rest = parts.filter((part) => part.partNumber > after);
  const page = rest.slice(0, limit);
  return [
    'ObjectParts',
    [
      ['PartsCount', parts.length],
      ['PartNumberMarker', after],
      ['NextPartNumberMarker', page.at(-1)?.partNumber ?? after],
      ['MaxParts', limit],
      ['IsTruncated', rest.length > page.length],
      ...page.map(
        (part): XmlNode => [
          'Part',
          [['PartNumber', part.partNumber], ['Size', part.size], ...checksumNodes(part.checksum).slice(0, 1)],
        ],
      ),
    ],
  ];
}
