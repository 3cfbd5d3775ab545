import { S3Client } from '@aws-sdk/client-s3';
import type { Test } from 'tap';
import { ACCESS_KEY, SECRET_KEY } from './gateway.ts';

/** An SDK client for a gateway, closed with the test. One attempt a request: a test must see every failure. */
export function s3Client(
  t: Pick<Test, 'teardown'>,
  endpoint: string,
  { accessKey = ACCESS_KEY, secretKey = SECRET_KEY }: { readonly accessKey?: string; readonly secretKey?: string } = {},
): S3Client {
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
  t.teardown(() => client.destroy());
  return client;
}
