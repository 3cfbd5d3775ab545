import { Readable } from 'node:stream';
import { headersOf } from '../s3/headers.ts';
import type { S3Request, S3Response } from '../s3/message.ts';
import { encodeKey, encodeUri } from '../s3/uri.ts';
import { buildXml } from '../s3/xml.ts';

interface Posted {
  readonly request: S3Request;
  readonly bucket: string;
  readonly key: string;
  readonly fields: ReadonlyMap<string, string>;
}

/**
 * Answers a form upload as its fields wish: `success_action_redirect`, else `success_action_status` 200, 201
 * or 204. What is not a success passes as it is.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
 * @param response that of the PutObject; its body is let go of
 */
export function postAnswer(response: S3Response, posted: Posted): S3Response {
  if (response.status < 200 || response.status > 299) return response;
  if (response.body instanceof Readable) response.body.destroy();
  const { request, bucket, key, fields } = posted;
  const etag = response.headers.get('etag') ?? '';
  const host = request.headers.get('host') ?? '';
  const place = request.addressing === 'virtual' ? host : `${host}/${bucket}`;
  const location = `${request.scheme}://${place}/${encodeKey(key)}`;
  const headers = new Map([...response.headers].filter(([name]) => !name.startsWith('content-')));
  const redirect = redirectTo(fields.get('success_action_redirect') ?? fields.get('redirect'));
  if (redirect !== undefined) {
    const query = `bucket=${encodeUri(bucket)}&key=${encodeUri(key)}&etag=${encodeUri(etag)}`;
    headers.set('location', `${redirect}${redirect.includes('?') ? '&' : '?'}${query}`);
    return { status: 303, headers, body: null };
  }
  headers.set('location', location);
  const status = fields.get('success_action_status');
  if (status !== '201') return { status: status === '200' ? 200 : 204, headers, body: null };
  const body = Buffer.from(
    buildXml([
      'PostResponse',
      [
        ['Location', location],
        ['Bucket', bucket],
        ['Key', key],
        ['ETag', etag],
      ],
    ]),
  );
  const type = headersOf({ 'content-type': 'application/xml', 'content-length': String(body.length) });
  return { status: 201, headers: new Map([...headers, ...type]), body };
}

/** Only a web page, in characters a header can hold; S3 overlooks any other. */
function redirectTo(url: string | undefined): string | undefined {
  return url !== undefined && /^https?:\/\/[!-~]+$/i.test(url) ? url.replace(/#.*$/, '') : undefined;
}
