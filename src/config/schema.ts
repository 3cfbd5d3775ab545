import { z } from 'zod';
import { scheduleFault } from '../cleanup/schedule.ts';
import { isBucketName } from '../s3/address.ts';
import { VENDORS, type Vendor } from '../upstream/vendors.ts';
import { dialectFields } from './dialect-fields.ts';
import { parseDuration, parseSize } from './units.ts';

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be letters, digits, dots, hyphens and underscores')
  .describe('A name of your choice, used in this file and in logs.');

const bucketName = z.string().refine(isBucketName, 'is not a bucket name (3 to 63 letters, digits, dots, hyphens)');

const duration = z
  .string()
  .transform((text, context) => {
    const value = parseDuration(text);
    if (value !== undefined) return value;
    context.addIssue(`is not a duration: ${text} (such as 500ms, 5s, 10m, 6h, 7d)`);
    return z.NEVER;
  })
  .meta({ examples: ['5s', '10m'] });

/** What a timer can wait for: node's fire at once beyond 24 days, and a limit of nothing would be none. */
const timeout = duration.refine((wait) => wait >= 1 && wait <= 86_400_000, 'must be from 1ms to 1d');

const size = z
  .union([z.string(), z.int().nonnegative()])
  .transform((value, context) => {
    const bytes = typeof value === 'number' ? value : parseSize(value);
    if (bytes !== undefined) return bytes;
    context.addIssue(`is not a size: ${value} (such as 16MiB, 512KB, 200GiB)`);
    return z.NEVER;
  })
  .meta({ examples: ['16MiB', '200GiB'] });

/** A key prefix. Without a leading slash: S3 keys begin where the bucket ends. */
const prefix = z
  .string()
  .refine((text) => !text.startsWith('/'), 'must not begin with /')
  .refine((text) => Buffer.byteLength(text) <= 512, 'is longer than 512 bytes')
  .refine((text) => !/(^|\/)\.\.?(\/|$)/.test(text) && !text.includes('\0'), 'must not hold . or .. segments');

const hostPort = z.string().regex(/^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)?:\d{1,5}$/, 'must be HOST:PORT');

const credential = z.strictObject({
  name,
  accessKey: z
    .string()
    .regex(/^[\x21-\x7e]{3,128}$/, 'must be 3 to 128 printable characters without spaces')
    .refine((key) => !/[/,:=]/.test(key), 'must not hold / , : or ='),
  secretKey: z.string().min(8, 'must have at least 8 characters'),
  project: name.optional().describe('Sees the storages whose projects include it.'),
  storage: name.optional().describe("This credential's own default storage."),
  signatures: z
    .array(z.enum(['v4', 'v2']))
    .min(1)
    .default(['v4'])
    .describe('Signature versions accepted from clients; v2 is legacy and off unless listed.'),
  access: z
    .array(
      z.strictObject({
        bucket: z.string().min(1).describe('Bucket name, * and ? are wildcards.'),
        prefix: prefix.default('').describe('Only keys that begin with this.'),
        allow: z.array(z.enum(['read', 'list', 'write', 'delete'])).min(1),
      }),
    )
    .optional()
    .describe('What it may do; without it everything its project can reach.'),
});

const projects = z
  .union([z.literal('all'), z.array(name)])
  .default('all')
  .describe('Which projects see it: all, or a list of names.');

const everyStorage = {
  name,
  bucket: bucketName.optional().describe('The one bucket used here.'),
  prefix: prefix.default('').describe('Goes before every key.'),
  default: z.boolean().default(false).describe('Used where nothing else says which storage. At most one.'),
  projects,
  sentinel: z
    .string()
    .min(1)
    .optional()
    .describe("An object of `bucket` whose HEAD is this storage's health check; `prefix` goes before it."),
};

const tokenSecret = z
  .string()
  .min(16, 'must have at least 16 characters')
  .optional()
  .describe(
    'What upload ids and list tokens are bound with, so that they outlast the keys; made of these unless given.',
  );

const downloadPartSize = size
  .default(16 * 2 ** 20)
  .describe('Large objects come to the cache in ranges of so many bytes at most, in parallel.');

const s3Storage = z.strictObject({
  ...everyStorage,
  // Object.keys says string[]; these are the table's own names.
  provider: z.enum(Object.keys(VENDORS) as [Vendor, ...Vendor[]]),
  endpoint: z
    .string()
    .regex(/^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/, 'must be host[:port], without http:// and path')
    .describe('host[:port]'),
  protocol: z.enum(['http', 'https']).default('https'),
  accessKey: z.string().min(1),
  secretKey: z.string().min(1),
  sessionToken: z.string().min(1).optional(),
  tokenSecret,
  region: z.string().min(1).optional().describe('Taken from the endpoint where the vendor allows it.'),
  ca: z.string().min(1).optional().describe("File with the CA that signed this endpoint's certificate (PEM)."),
  retries: z.int().min(0).max(10).default(3),
  connectTimeout: timeout.default(5_000),
  idleTimeout: timeout.default(60_000),
  uploadPartSize: size
    .default(16 * 2 ** 20)
    .describe('What the service does not take in one request goes to it in parts of so many bytes, in parallel.'),
  downloadPartSize,
  ...dialectFields,
});

const filesystemStorage = z.strictObject({
  ...everyStorage,
  provider: z.literal('filesystem'),
  path: z.string().min(1).describe('Folder that holds the store; made when absent.'),
  dotSegments: dialectFields.dotSegments,
});

const azureStorage = z.strictObject({
  ...everyStorage,
  provider: z.literal('azure'),
  bucket: bucketName.optional().describe('The one container used here.'),
  endpoint: z
    .string()
    .regex(
      /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?(\/[a-z0-9]{3,24})?$/,
      'must be host[:port] or host[:port]/account, without http://',
    )
    .optional()
    .describe('host[:port], or host[:port]/account; ACCOUNT.blob.core.windows.net unless given.'),
  protocol: z.enum(['http', 'https']).default('https'),
  account: z.string().min(1).optional().describe('Name of the storage account.'),
  accountKey: z.string().min(1).optional().describe('Its key, in base64.'),
  sas: z.string().min(1).optional().describe('A shared access signature, instead of the key.'),
  connectionString: z.string().min(1).optional().describe('As the portal shows it, instead of all these.'),
  tokenSecret,
  delivery: z
    .enum(['proxy', 'redirect', 'redirect-all'])
    .default('proxy')
    .describe(
      'redirect: large reads by presigned URL or without a signature are sent on to the account by a SAS URL; redirect-all: all large reads.',
    ),
  redirectFrom: size.default(8 * 2 ** 20).describe('Reads of fewer bytes are never redirected.'),
  redirectExpiry: duration
    .refine((age) => age >= 1000 && age <= 7 * 86_400_000, 'must be from 1s to 7d')
    .default(15 * 60_000)
    .describe('How long the URL that a read is sent on to is good.'),
  redirectPolicy: z
    .string()
    .regex(/^[\x21-\x7e]{1,64}$/, 'must be 1 to 64 printable characters')
    .optional()
    .describe('Stored access policy that those URLs name; it must say r for permissions, and nothing else.'),
  ca: z.string().min(1).optional().describe("File with the CA that signed this endpoint's certificate (PEM)."),
  retries: z.int().min(0).max(10).default(3),
  connectTimeout: timeout.default(5_000),
  idleTimeout: timeout.default(60_000),
  downloadPartSize,
  dotSegments: dialectFields.dotSegments,
});

const bucketEntry = z.strictObject({
  name: bucketName.describe('What clients see.'),
  storage: name,
  bucket: bucketName.optional().describe("The storage's bucket; by default its own `bucket`, else the same name."),
  prefix: prefix.default('').describe('Goes before every key, behind the prefix of the storage.'),
  anonymous: z.literal('read').optional().describe('Objects can be read without credentials.'),
  cache: name.optional().describe('A preset, or the name of a rule set in `cache.ruleSets`; off, or left out: never.'),
  pool: z
    .strictObject({
      size: z.int().min(1).max(10_000),
      key: z.int().min(1).max(7),
      bucket: z.string().refine((text) => text.includes('{n}'), 'must hold {n}'),
    })
    .optional()
    .describe("Spreads keys over several buckets by Overture Score's formula."),
});

const cacheRule = z
  .strictObject({
    match: z.string().min(1).describe('Glob over the key: * and ? stop at /, ** does not. The first match counts.'),
    mode: z.enum(['revalidate', 'immutable', 'ttl', 'exclusive', 'bypass']),
    maxAge: duration.optional().describe('An answer of the storage needs no asking again for so long.'),
    staleIfError: duration
      .optional()
      .describe(
        'While the storage cannot be reached, what it confirmed so long ago at most is served; 7d unless given.',
      ),
  })
  .refine(({ mode, maxAge }) => mode !== 'ttl' || maxAge !== undefined, {
    path: ['maxAge'],
    error: 'is what ttl needs',
  });

const cache = z.strictObject({
  memory: size.default(512 * 2 ** 20).describe('For small objects, and bytes on their way from disk.'),
  disk: z
    .strictObject({
      path: z.string().min(1).describe('Folder of the cache alone, for its owner only; made when absent.'),
      size: size.describe('Bytes it may take.'),
      minFree: size.default(2 ** 30).describe('Bytes of its file system that are left free.'),
    })
    .optional()
    .describe('Without it only what memory holds is kept.'),
  ruleSets: z.record(name, z.array(cacheRule).min(1)).default({}).describe('Rules of your own, by name.'),
  verify: z.number().min(0).max(1).default(0.001).describe('Share of unasked hits that is checked afterwards.'),
});

const cleanup = z.strictObject({
  schedule: z
    .string()
    .superRefine((text, context) => {
      const fault = scheduleFault(text);
      if (fault !== undefined) context.addIssue(`is not a cron expression: ${fault} (such as 0 3 * * *)`);
    })
    .default('0 3 * * *')
    .describe("Minute, hour, day, month and weekday, in the machine's time zone; seconds may stand in front.")
    .meta({ examples: ['0 3 * * *'] }),
  incompleteUploads: duration
    .refine((age) => age > 0, 'must be longer than nothing')
    .default(6 * 86_400_000)
    .describe('Uploads in parts in which nothing has happened for so long are removed.'),
});

export const configSchema = z
  .strictObject({
    $schema: z.string().optional(),
    listen: hostPort.default('127.0.0.1:9000'),
    domains: z
      .array(z.string().regex(/^[A-Za-z0-9.-]+(:\d{1,5})?$/, 'must be a host name'))
      .default(['localhost'])
      .describe('BUCKET.DOMAIN addresses a bucket; also the hosts a signature may have been made for.'),
    tls: z.strictObject({ cert: z.string().min(1), key: z.string().min(1) }).optional(),
    trustedProxies: z.array(z.string()).default([]).describe('Peers whose X-Forwarded-Host, -Proto and -For count.'),
    drainSeconds: z.number().min(0).max(3600).default(30),
    credentials: z.array(credential).default([]),
    storages: z.array(z.discriminatedUnion('provider', [s3Storage, azureStorage, filesystemStorage])).min(1),
    buckets: z.array(bucketEntry).default([]),
    cache: cache.prefault({}),
    cleanup: cleanup.optional().describe('Removes what was begun and given up. Without it nothing is removed.'),
    admin: z
      .strictObject({
        listen: hostPort.optional().describe('127.0.0.1, one port above the S3 port, unless given.'),
        token: z.string().min(16).optional(),
      })
      .prefault({}),
    log: z
      .strictObject({
        level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
        format: z.enum(['json', 'pretty']).default('json'),
      })
      .prefault({}),
  })
  .describe('Sluice configuration. See README.md.');

export type Config = z.output<typeof configSchema>;
export type CredentialConfig = Config['credentials'][number];
export type StorageConfig = Config['storages'][number];
export type S3StorageConfig = Extract<StorageConfig, { accessKey: string }>;
export type AzureStorageConfig = Extract<StorageConfig, { provider: 'azure' }>;
export type FilesystemStorageConfig = Extract<StorageConfig, { provider: 'filesystem' }>;
export type BucketConfig = Config['buckets'][number];
export type CacheConfig = Config['cache'];
