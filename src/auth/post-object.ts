import { checkKey } from '../s3/address.ts';
import { checksumOfHeader } from '../s3/checksum.ts';
import { S3Error } from '../s3/error.ts';
import { encodeHeaderText, type Headers, headersOf } from '../s3/headers.ts';
import type { Handler, S3Request } from '../s3/message.ts';
import { Query } from '../s3/query.ts';
import { encodeUri } from '../s3/uri.ts';
import { childText, parseXml } from '../s3/xml.ts';
import { type FormFile, openFormFile } from './form-file.ts';
import { readForm } from './multipart-form.ts';
import { verifyPayload } from './payload.ts';
import { parsePayloadMode, planDigests } from './payload-plan.ts';
import { postAnswer } from './post-answer.ts';
import { checkPolicy, parsePolicy } from './post-policy.ts';
import { verifyForm } from './post-signature.ts';
import type { Verifier } from './verifier.ts';

/**
 * Takes a browser's form upload (`POST /BUCKET`), checks its signature and policy, and hands it on as the
 * PutObject that it is; then answers as the form wishes.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
 *
 * At most 64 KiB are read before the policy has been verified.
 * @param maxBytes the largest file
 * @throws S3Error
 */
export async function postObject(
  request: S3Request,
  { next, verifier, maxBytes }: { readonly next: Handler; readonly verifier: Verifier; readonly maxBytes: number },
) {
  const { bucket } = request;
  if (bucket === undefined) throw new S3Error('MethodNotAllowed');
  const form = await readForm(request.body, request.headers.get('content-type'));
  let file: FormFile | undefined;
  try {
    const credential = verifyForm(form.fields, verifier);
    const key = keyOf(form.fields, form.filename);
    const policy = parsePolicy(form.fields.get('policy') ?? '');
    if ((form.fields.get('bucket') ?? bucket) !== bucket) {
      throw new S3Error('AccessDenied', { message: 'The form is for another bucket than the URL.' });
    }
    checkPolicy(policy, new Map([...form.fields, ['bucket', bucket], ['key', key]]), verifier.now());
    const headers = headersOfForm(request.headers, form.fields);
    const mode = parsePayloadMode('UNSIGNED-PAYLOAD');
    const digests = planDigests({ headers, operation: 'PutObject' }, mode);
    const range = { min: policy.size.min, max: Math.min(policy.size.max, maxBytes) };
    file = await openFormFile(form, range, request.bodyLength);
    const body = file.body instanceof Uint8Array && file.body.length === 0 ? null : file.body;
    const payload = verifyPayload(body, { mode, length: file.length, ...digests }, undefined);
    if (payload.length !== undefined) headers.set('content-length', String(payload.length));
    request.notes.set('credential', credential.name);
    const response = await next({
      ...request,
      method: 'PUT',
      operation: 'PutObject',
      key,
      query: Query.empty,
      headers,
      identity: { name: credential.name, accessKey: credential.accessKey },
      body: payload.body,
      bodyLength: payload.length,
      bodyChecksum: payload.checksum,
    });
    return postAnswer(response, { request, bucket, key, fields: form.fields });
  } catch (error) {
    if (file === undefined) form.drop();
    throw error;
  }
}

/** The key after `${filename}` has been put in: the name alone, whatever path a browser sends with it. */
function keyOf(fields: ReadonlyMap<string, string>, filename: string): string {
  const field = fields.get('key');
  if (field === undefined) {
    throw new S3Error('InvalidArgument', {
      message:
        "Bucket POST must contain a field named 'key'. If it is specified, please check the order of the fields.",
      detail: { ArgumentName: 'key' },
    });
  }
  const name = filename.replace(/^.*[/\\]/s, '');
  const key = field.replaceAll('${filename}', () => name);
  if (key === '') throw new S3Error('UserKeyMustBeSpecified');
  checkKey(key);
  return key;
}

/** Fields that become the header of the same name; with `x-amz-meta-*` and checksums, all that a form may set. */
const HEADER_FIELDS: ReadonlySet<string> = new Set([
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-bucket-key-enabled',
  'x-amz-server-side-encryption-context',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-server-side-encryption-customer-key',
  'x-amz-server-side-encryption-customer-key-md5',
  'x-amz-storage-class',
  'x-amz-website-redirect-location',
]);

function headersOfForm(received: Headers, fields: ReadonlyMap<string, string>): Map<string, string> {
  const headers = headersOf({ host: received.get('host') });
  for (const [name, value] of fields) {
    const isHeader = HEADER_FIELDS.has(name) || name.startsWith('x-amz-meta-') || checksumOfHeader(name) !== undefined;
    if (isHeader) headers.set(name, headerValue(name, value));
  }
  const acl = fields.get('acl') ?? fields.get('x-amz-acl');
  if (acl !== undefined) headers.set('x-amz-acl', headerValue('acl', acl));
  const tagging = fields.get('tagging');
  if (tagging !== undefined) headers.set('x-amz-tagging', tagsOf(tagging));
  return headers;
}

function headerValue(name: string, value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a header must not hold
  const isBroken = /[\0-\x08\x0a-\x1f\x7f]/.test(value) || !/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name);
  if (isBroken) throw new S3Error('InvalidArgument', { detail: { ArgumentName: name } });
  return encodeHeaderText(value).trim();
}

/** The `tagging` field holds the document of PutObjectTagging; PutObject wants the same as a query string. */
function tagsOf(document: string): string {
  const tagging = parseXml(Buffer.from(document), 'Tagging');
  const tags = tagging.children.find(({ name }) => name === 'TagSet')?.children ?? [];
  return tags
    .map((tag) => `${encodeUri(childText(tag, 'Key') ?? '')}=${encodeUri(childText(tag, 'Value') ?? '')}`)
    .join('&');
}
