import { S3Error } from '../../s3/error.ts';

const START = '1.';

/** The token of V2 that stands for a marker of V1. */
export function tokenOf(marker: string): string {
  return `${START}${Buffer.from(marker).toString('base64url')}`;
}

/** The marker behind a token. @throws S3Error InvalidArgument for one that `tokenOf` did not make */
export function markerOf(token: string): string {
  const marker = Buffer.from(token.slice(START.length), 'base64url').toString();
  if (tokenOf(marker) === token) return marker;
  throw new S3Error('InvalidArgument', {
    message: 'The continuation token provided is incorrect',
    detail: { ArgumentName: 'continuation-token' },
  });
}
