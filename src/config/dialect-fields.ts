import { z } from 'zod';
import type { Dialect } from '../upstream/dialect.ts';

const conditionalWrite = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('native') }),
  z.strictObject({ by: z.literal('header'), name: z.string().min(1), value: z.string() }),
  z.strictObject({ by: z.literal('refuse') }),
]);
const signature = z.enum(['v4', 'v2', 'native']);
const addressing = z.enum(['path', 'virtual', 'domain']);
const count = z.int().min(1);
const conditionalOperation = z.enum([
  'PutObject',
  'CopyObject',
  'CreateMultipartUpload',
  'CompleteMultipartUpload',
  'DeleteObject',
]);
const standIn = z.enum([
  'GetBucketLocation',
  'GetBucketVersioning',
  'GetBucketAcl',
  'GetBucketTagging',
  'GetObjectAcl',
  'GetObjectTagging',
  'GetObjectAttributes',
]);
const words = z.record(z.string(), z.string());
const nativeSignature = z.strictObject({
  algorithm: z.string().min(1),
  keyPrefix: z.string(),
  service: z.string().min(1),
  terminator: z.string().min(1),
  headers: z.string().min(1),
  renamed: z.strictObject({ bucket: words, object: words }),
  storageClasses: words,
});

/** The fields of a provider's row that a storage may set for itself. `hosts` and `region` have settings of their own. */
type Overridable = Exclude<keyof Dialect, 'hosts' | 'region'>;

/** One optional setting for each; a field added to the row must be added here. */
export const dialectFields = {
  signature: signature.optional().describe("v4, v2, or native: the provider's own, where its row has one."),
  signatures: z.array(signature).min(1).optional(),
  addressing: addressing.optional().describe('virtual, path, or domain: a host bound to one bucket.'),
  addressings: z.array(addressing).min(1).optional(),
  v2DomainResource: z.enum(['bucket', 'host']).optional(),
  dottedBuckets: z.enum(['path', 'as-is']).optional(),
  payload: z.enum(['keep', 'unsigned', 'signed']).optional(),
  checksums: z.enum(['pass', 'strip']).optional(),
  contentMd5OnXml: z.enum(['required', 'optional']).optional(),
  ifNoneMatch: conditionalWrite.optional(),
  ifMatch: conditionalWrite.optional(),
  conditionalOperations: z
    .array(conditionalOperation)
    .optional()
    .describe('Writes on which the service heeds conditions.'),
  listVersion: z.union([z.literal(1), z.literal(2)]).optional(),
  encodingType: z.enum(['pass', 'unsupported']).optional(),
  maxKeys: count.optional(),
  maxDeleteKeys: count.optional(),
  maxSinglePut: count.optional(),
  maxCopy: count.optional(),
  minPart: count.optional(),
  maxParts: count.optional(),
  partSizes: z.enum(['any', 'equal']).optional(),
  uploadPartCopy: z.enum(['native', 'missing']).optional(),
  etag: z.enum(['aws', 'opaque', 'md5']).optional(),
  dotSegments: z.enum(['refuse', 'allow']).optional(),
  locationConstraint: z.enum(['region', 'none']).optional(),
  missing: z.array(standIn).optional().describe('Questions answered here, as the service has no answer.'),
  storageClasses: words.optional().describe("S3's storage classes that the service calls otherwise."),
  bucketSuffix: z
    .string()
    .regex(/^[a-z0-9-]*$/, 'must be lower-case letters, digits and hyphens')
    .optional()
    .describe('Goes behind every bucket name, unseen by clients, such as -1250000000.'),
  nativeHeaders: z.string().optional(),
  nativeSignature: nativeSignature.optional(),
} satisfies { readonly [Field in Overridable]: z.ZodOptional };

/** The overrides that a storage's configuration holds, without those it leaves out. */
export function dialectOverrides(
  storage: {
    readonly [Field in Overridable]?: Dialect[Field] | undefined;
  },
): Partial<Dialect> {
  const given = Object.keys(dialectFields).flatMap((field) => {
    // The keys of `dialectFields` are exactly these fields.
    const value = storage[field as Overridable];
    return value === undefined ? [] : [[field, value] as const];
  });
  return Object.fromEntries(given);
}
