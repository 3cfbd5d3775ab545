import { dropBody } from '../../s3/body.ts';
import { parseCopySource } from '../../s3/copy-source.ts';
import { S3Error } from '../../s3/error.ts';
import { quoteEtag, unquoteEtag } from '../../s3/etag.ts';
import type { Headers } from '../../s3/headers.ts';
import type { Handler, S3Request } from '../../s3/message.ts';
import { ACCESS_HEADERS, ask, pick } from './ask.ts';
import type { Md5Names, ObjectName } from './md5-names.ts';

const OWN = ['if-match', 'if-none-match'] as const;
const OF_SOURCE = ['x-amz-copy-source-if-match', 'x-amz-copy-source-if-none-match'] as const;

/**
 * Says the ETags of a request's conditions as the storage knows them: the object is looked at, and where its ETag for
 * clients is named, the storage's takes its place. The condition itself is still the storage's to judge.
 */
export async function withStorageConditions(request: S3Request, next: Handler, names: Md5Names): Promise<S3Request> {
  const headers = new Map(request.headers);
  let isChanged = false;
  if (hasEtag(request.headers, OWN)) {
    const query = { versionId: request.query.get('versionId') };
    const head = ask(request, { operation: 'HeadObject', query, headers: pick(request.headers, ACCESS_HEADERS) });
    isChanged = await translate(headers, OWN, { head, next, names });
  }
  if (hasEtag(request.headers, OF_SOURCE)) {
    const { bucket, key, versionId } = parseCopySource(request.headers);
    const secrets = [...request.headers].flatMap(([name, value]): [string, string][] => {
      const secret = /^x-amz-copy-source-(server-side-encryption-customer-.*)$/.exec(name)?.[1];
      return secret === undefined ? [] : [[`x-amz-${secret}`, value]];
    });
    const head = ask(request, {
      operation: 'HeadObject',
      bucket,
      key,
      query: { versionId },
      headers: new Map(secrets),
    });
    isChanged = (await translate(headers, OF_SOURCE, { head, next, names })) || isChanged;
  }
  return isChanged ? { ...request, headers } : request;
}

function hasEtag(headers: Headers, conditions: readonly string[]): boolean {
  return conditions.some((name) => headers.has(name) && headers.get(name)?.trim() !== '*');
}

interface Look {
  readonly head: S3Request;
  readonly next: Handler;
  readonly names: Md5Names;
}

async function translate(headers: Map<string, string>, conditions: readonly string[], look: Look): Promise<boolean> {
  const found = await etagsOf(look);
  if (found === undefined || found.ours === found.theirs) return false;
  for (const name of conditions) {
    const list = headers.get(name);
    if (list === undefined) continue;
    const items = list
      .split(',')
      .map((item) => (unquoteEtag(item.trim()) === found.ours ? quoteEtag(found.theirs) : item));
    headers.set(name, items.join(','));
  }
  return true;
}

async function etagsOf({ head, next, names }: Look): Promise<{ ours: string; theirs: string } | undefined> {
  try {
    const { headers, body } = await next(head);
    dropBody(body);
    const ours = names.ofHeaders(head satisfies ObjectName, headers);
    return ours === undefined ? undefined : { ours, theirs: unquoteEtag(headers.get('etag') ?? '') };
  } catch (error) {
    // The request itself meets the same trouble, and says so in its own words.
    if (error instanceof S3Error) return undefined;
    throw error;
  }
}
