import type { Layer, S3Response } from '../../s3/message.ts';
import { escapeXml } from '../../s3/xml.ts';
import { textOf, withText } from './ask.ts';

const HEADER = 'x-amz-storage-class';
/** Answers whose documents name storage classes. */
const NAMED: ReadonlySet<string> = new Set([
  'GetObjectAttributes',
  'ListMultipartUploads',
  'ListObjectVersions',
  'ListObjects',
  'ListObjectsV2',
  'ListParts',
]);

/** S3's names of storage classes in front, the service's own behind. What the table does not hold passes as it is. */
export function storageClass(classes: Readonly<Record<string, string>>): Layer {
  const toService = new Map(Object.entries(classes));
  const toClient = new Map([...toService].map(([ours, theirs]) => [theirs, ours]));
  return (next) => async (request) => {
    const wanted = toService.get(request.headers.get(HEADER) ?? '');
    const response = await next(
      wanted === undefined ? request : { ...request, headers: new Map(request.headers).set(HEADER, wanted) },
    );
    const answer = withHeader(response, toClient);
    if (!NAMED.has(request.operation)) return answer;
    const text = await textOf(answer);
    return withText(
      answer,
      text.replace(
        /<StorageClass>([^<]*)</g,
        (_, name: string) => `<StorageClass>${escapeXml(toClient.get(name) ?? name)}<`,
      ),
    );
  };
}

/** S3 does not name STANDARD in this header. */
function withHeader(response: S3Response, toClient: ReadonlyMap<string, string>): S3Response {
  const name = response.headers.get(HEADER);
  const ours = name === undefined ? undefined : toClient.get(name);
  if (ours === undefined) return response;
  const headers = new Map(response.headers).set(HEADER, ours);
  if (ours === 'STANDARD') headers.delete(HEADER);
  return { ...response, headers };
}
