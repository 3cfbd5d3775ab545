/** One check per field of a row that concerns the head of a request. What concerns stored things is in `kernel/`. */
import { type Asked, isFramed, parameter, VendorError } from './kernel/message.ts';
import type { Signed } from './kernel/signature.ts';
import { document } from './kernel/xml.ts';
import type { Refusal, Strictness } from './strictness.ts';

/** The error a refusal stands for, with what the client sent in its texts. */
export function refusal(said: Refusal | string, values: Readonly<Record<string, string>> = {}): VendorError {
  if (typeof said === 'string') throw new TypeError(`not a refusal: ${said}`);
  const fill = (text: string): string => text.replace(/\{(header|value)\}/g, (_, name: string) => values[name] ?? '');
  const details = Object.entries(said.details ?? {}).map(([name, text]) => [name, fill(text)] as const);
  return new VendorError(said.status, said.code, fill(said.message), Object.fromEntries(details));
}

type Rule = (asked: Asked, row: Strictness, signed: Signed) => VendorError | undefined;

const isUpload = ({ method, headers }: Asked): boolean =>
  method === 'PUT' && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0);

/** The parts of a request that a pattern finds, among header names and query names. */
function found(asked: Asked, pattern: RegExp): readonly [string, string] | undefined {
  const headers = Object.entries(asked.headers);
  return [...headers, ...asked.parameters].find(([name]) => pattern.test(name.toLowerCase()));
}

function subresources(asked: Asked): readonly string[] {
  const names = asked.parameters.map(([name]) => name);
  return asked.key === undefined && names.includes('uploads') ? [...names, 'uploads on bucket'] : names;
}

/** Asked before the signature is looked at, as the vendors do: their errors show it. */
export const EARLY_RULES = {
  path: ({ addressing, bucket }, { path }) =>
    path !== 'served' && addressing === 'path' && bucket !== undefined ? refusal(path) : undefined,

  v2: (asked, { v2 }) => {
    const isV2 = asked.headers.authorization?.startsWith('AWS ') || parameter(asked, 'Signature') !== undefined;
    return v2 !== 'accepted' && isV2 ? refusal(v2) : undefined;
  },

  headers: (asked, { headers }) => {
    const name = headers && Object.keys(asked.headers).find((name) => headers.pattern.test(name));
    return headers && name !== undefined
      ? refusal(headers.refusal, { header: name, value: asked.headers[name] ?? '' })
      : undefined;
  },

  parameters: (asked, { parameters }) => {
    const name = parameters.find((name) => parameter(asked, name) !== undefined);
    return name === undefined
      ? undefined
      : new VendorError(400, 'InvalidArgument', 'Invalid argument.', { ArgumentName: name });
  },

  // A body in chunks tells its length in a header of its own.
  chunkedTransfer: (asked, { chunkedTransfer, trailers }) => {
    const isTold = trailers === 'accepted' && isFramed(asked) && 'x-amz-decoded-content-length' in asked.headers;
    const hasNone = asked.headers['transfer-encoding'] !== undefined && !isTold;
    return chunkedTransfer !== 'accepted' && hasNone ? refusal(chunkedTransfer) : undefined;
  },

  chunksUnsigned: (asked) =>
    isFramed(asked) && asked.headers['x-amz-content-sha256'] === 'UNSIGNED-PAYLOAD'
      ? new VendorError(
          400,
          'InvalidRequest',
          'aws-chunked encoding is not supported when x-amz-content-sha256 UNSIGNED-PAYLOAD is supplied.',
        )
      : undefined,

  trailers: (asked, { trailers }) => {
    const value = asked.headers['x-amz-content-sha256'] ?? '';
    const hasTrailer = value.endsWith('-TRAILER') || asked.headers['x-amz-trailer'] !== undefined;
    return trailers !== 'accepted' && hasTrailer ? refusal(trailers, { value }) : undefined;
  },

  signedChunks: (asked, { signedChunks }) =>
    signedChunks !== 'accepted' && (isFramed(asked) || asked.headers['x-amz-decoded-content-length'] !== undefined)
      ? refusal(signedChunks)
      : undefined,

  checksums: (asked, { checksums, deleteDigest }) => {
    if (typeof checksums === 'string') return undefined;
    const isDelete = asked.method === 'POST' && parameter(asked, 'delete') !== undefined;
    if (isDelete && deleteDigest.accepts.includes('crc32')) return undefined;
    const header = found(asked, /^x-amz-(checksum-(?!mode$).*|sdk-checksum-algorithm)$/);
    return header && refusal(checksums, { header: header[0], value: header[1] });
  },

  checksumMode: (asked, { checksumMode }) => {
    const header = found(asked, /^x-amz-checksum-mode$/);
    return checksumMode !== 'ignored' && header
      ? refusal(checksumMode, { header: header[0], value: header[1] })
      : undefined;
  },
} as const satisfies Readonly<Record<string, (asked: Asked, row: Strictness) => VendorError | undefined>>;

/** Asked of a request whose signature holds. */
export const RULES = {
  regions: (_, { regions, region }, signed) =>
    regions !== 'any' && signed.region !== undefined && !regions.includes(signed.region)
      ? new VendorError(
          400,
          'AuthorizationHeaderMalformed',
          `The region '${signed.region}' is wrong; expecting '${region}'`,
          {
            Region: region,
          },
        )
      : undefined,

  unsignable: (_, { unsignable }, { signedHeaders }) =>
    unsignable.some((name) => signedHeaders.includes(name))
      ? new VendorError(
          403,
          'SignatureDoesNotMatch',
          'The request signature we calculated does not match the signature you provided.',
        )
      : undefined,

  payloadHash: (asked, { payloadHash }, { payload }) =>
    payloadHash !== 'accepted' && isUpload(asked) && /^[0-9a-f]{64}$/.test(payload) ? refusal(payloadHash) : undefined,

  strayHash: ({ method }, { strayHash }, { payload }) =>
    strayHash !== 'accepted' &&
    /^(GET|HEAD|DELETE)$/.test(method) &&
    !/^(UNSIGNED-PAYLOAD|e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855)$/.test(payload)
      ? refusal(strayHash)
      : undefined,

  subresources: (asked, { subresources: none }) =>
    none && subresources(asked).some((name) => none.names.includes(name)) ? refusal(none.refusal) : undefined,

  storageClasses: ({ headers }, { storageClasses }) => {
    const name = headers['x-amz-storage-class'];
    return name !== undefined && !storageClasses.includes(name)
      ? new VendorError(400, 'InvalidStorageClass', 'The storage class you specified is not valid.')
      : undefined;
  },

  acls: ({ headers }, { acls }) => {
    const name = headers['x-amz-acl'];
    return name !== undefined && !acls.includes(name)
      ? new VendorError(400, 'InvalidArgument', 'The ACL you specified is not valid.', {
          ArgumentName: 'x-amz-acl',
          ArgumentValue: name,
        })
      : undefined;
  },

  keys: ({ key }, { keys }) =>
    key !== undefined && !keys.test(Buffer.from(key).toString('latin1'))
      ? new VendorError(400, 'InvalidObjectName', 'The specified object is not valid.')
      : undefined,

  maxPut: ({ method, headers }, { maxPut }) =>
    method === 'PUT' && Number(headers['content-length'] ?? 0) > maxPut
      ? new VendorError(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed object size.', {
          ProposedSize: headers['content-length'] ?? '',
          MaxSizeAllowed: String(maxPut),
        })
      : undefined,

  maxMetadata: ({ headers }, { maxMetadata }) => {
    const metadata = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'));
    const size = metadata.reduce((sum, [name, value]) => sum + name.length - 'x-amz-meta-'.length + value.length, 0);
    return size > maxMetadata
      ? new VendorError(400, 'MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size', {
          Size: String(size),
          MaxSizeAllowed: String(maxMetadata),
        })
      : undefined;
  },

  forbidOverwrite: ({ headers }, { forbidOverwrite }) => {
    const value = forbidOverwrite === undefined ? undefined : headers[forbidOverwrite];
    return value === undefined || value === 'true' || value === 'false'
      ? undefined
      : new VendorError(400, 'InvalidArgument', `The value of ${forbidOverwrite} is wrong.`);
  },
} as const satisfies Readonly<Record<string, Rule>>;

/** The document of an error, with the vendor's own elements. */
export function errorDocument(
  error: VendorError,
  row: Strictness,
  values: Readonly<Record<'bucket' | 'host' | 'resource' | 'requestId', string>>,
): string {
  const fill = (text: string): string =>
    text.replace(/\{(\w+)\}/g, (whole, name: string) =>
      Object.hasOwn(values, name) ? values[name as keyof typeof values] : whole,
    );
  const extra = Object.entries({ ...row.errorElements, ...error.details }).map(
    ([name, text]) => [name, fill(text)] as const,
  );
  return document('Error', undefined, { Code: error.code, Message: fill(error.message), ...Object.fromEntries(extra) });
}
