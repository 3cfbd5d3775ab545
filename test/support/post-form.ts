import { createHmac } from 'node:crypto';
import { amzDate, type Key, signingKey } from './slow-verifier.ts';

export interface PostFormOptions extends Key {
  readonly time: Date;
  readonly bucket: string;
  /** All fields but those of the signature; the policy allows each to have any value. */
  readonly fields: Readonly<Record<string, string>>;
  readonly file: string;
  readonly filename?: string;
  /** Conditions besides those of `fields`. */
  readonly conditions?: readonly unknown[];
  readonly version?: 'v4' | 'v2';
}

export interface PostForm {
  readonly headers: { readonly 'content-type': string; readonly 'content-length': string };
  readonly body: Buffer;
}

const BOUNDARY = 'form-boundary';

/**
 * A form as a browser sends it, with a policy good for a minute.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
 */
export function postForm(options: PostFormOptions): PostForm {
  const { accessKey, secretKey, time, bucket, file, filename = 'file.txt', version = 'v4' } = options;
  const stamp = amzDate(time);
  const day = stamp.slice(0, 8);
  const claim: Readonly<Record<string, string>> =
    version === 'v2'
      ? {}
      : {
          'x-amz-algorithm': 'AWS4-HMAC-SHA256',
          'x-amz-credential': `${accessKey}/${day}/us-east-1/s3/aws4_request`,
          'x-amz-date': stamp,
        };
  const conditions = [
    { bucket },
    ...Object.entries(claim).map(([name, value]) => ({ [name]: value })),
    ...Object.keys(options.fields).map((name) => ['starts-with', `$${name}`, '']),
    ...(options.conditions ?? []),
  ];
  const expiration = new Date(time.getTime() + 60_000).toISOString();
  const policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64');
  const signature: Readonly<Record<string, string>> =
    version === 'v2'
      ? { AWSAccessKeyId: accessKey, signature: createHmac('sha1', secretKey).update(policy).digest('base64') }
      : {
          'x-amz-signature': createHmac('sha256', signingKey(secretKey, day, 'us-east-1'))
            .update(policy)
            .digest('hex'),
        };
  const fields = { ...options.fields, ...claim, policy, ...signature };
  const disposition = `--${BOUNDARY}\r\nContent-Disposition: form-data; name=`;
  const parts = Object.entries(fields).map(([name, value]) => `${disposition}"${name}"\r\n\r\n${value}\r\n`);
  const body = Buffer.from(
    `${parts.join('')}${disposition}"file"; filename="${filename}"\r\nContent-Type: text/plain\r\n\r\n${file}\r\n--${BOUNDARY}--\r\n`,
  );
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, 'content-length': String(body.length) },
    body,
  };
}
