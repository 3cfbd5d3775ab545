import { S3Error } from '../s3/error.ts';
import { unquoteEtag } from '../s3/etag.ts';
import type { Body, Handler, S3Request, S3Response } from '../s3/message.ts';
import { childText, parseXml } from '../s3/xml.ts';
import type { ObjectName } from './identity.ts';
import { mayKeepUpload } from './operations.ts';
import type { Rule } from './rules.ts';

/** One request that writes one object. */
export interface ObjectWrite {
  readonly request: S3Request;
  readonly next: Handler;
  readonly name: ObjectName;
  /** The object under the names of all storages that reach it, its own first. */
  readonly ids: readonly string[];
  /** Undefined where nothing is cached. */
  readonly rule: Rule | undefined;
}

/** Whether what is written may lie here. */
export function isKept({ rule, request }: ObjectWrite): boolean {
  return rule !== undefined && rule.mode !== 'bypass' && mayKeepUpload(request);
}

/** What an upload's parts are kept under. */
export function uploadOf({ request, ids: [id] }: Pick<ObjectWrite, 'request' | 'ids'>): string {
  return `${id} ${request.query.get('uploadId') ?? ''}`;
}

export function isSuccess({ status }: S3Response): boolean {
  return status >= 200 && status < 300;
}

/** The ETag in the answer to a copy or Complete, unquoted; undefined where it is an error in disguise. */
export function etagInDocument(body: Body): string | undefined {
  if (!(body instanceof Uint8Array)) return undefined;
  try {
    const root = parseXml(body);
    const etag = root.name === 'Error' ? undefined : childText(root, 'ETag');
    return etag === undefined ? undefined : unquoteEtag(etag.trim());
  } catch (error) {
    if (error instanceof S3Error) return undefined;
    throw error;
  }
}
