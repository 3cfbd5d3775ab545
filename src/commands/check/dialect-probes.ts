import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ConditionalOperation, Dialect, StandIn } from '../../upstream/dialect.ts';
import { type Ask, codeOf, reasonOf, textIn } from './ask.ts';
import type { Finding } from './finding.ts';

/** What the probes of a row work with. */
export interface DialectContext {
  readonly dialect: Dialect;
  /** An object that is there, `BODY` inside. */
  readonly key: string;
  /** Through all that Sluice puts in front. */
  readonly ask: Ask;
  /** The service itself, with some fields of its row changed. */
  readonly raw: (overrides: Partial<Dialect>) => Ask;
}

const BODY = 'x';

/** Tries, one after the other, what the fields of the row say of this service. */
export async function tryDialect(context: DialectContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const probe of PROBES) findings.push(...(await probe(context)));
  return findings;
}

type DialectProbe = (context: DialectContext) => Promise<readonly Finding[]>;

/** The probe of a field with two values: what the service does decides which of them is right. */
function twoWays(probe: {
  readonly capability: string;
  readonly isNative: (context: DialectContext) => Promise<boolean>;
  readonly isSetNative: (dialect: Dialect) => boolean;
  /** How clients get it all the same when the row wrongly says that the service can. */
  readonly otherwise: 'failed' | 'emulated' | 'missing';
  /** Written in the configuration when the service can, and when it cannot. */
  readonly settings: readonly [native: string, emulated: string];
}): DialectProbe {
  return async (context) => {
    const isNative = await probe.isNative(context);
    const isSetNative = probe.isSetNative(context.dialect);
    const { capability, settings } = probe;
    if (isNative) {
      return [
        isSetNative
          ? { capability, state: 'native' }
          : { capability, state: 'emulated', note: 'the service can', setting: settings[0] },
      ];
    }
    return [
      isSetNative
        ? { capability, state: probe.otherwise, note: 'the service cannot', setting: settings[1] }
        : { capability, state: 'emulated' },
    ];
  };
}

async function succeeds(outcome: Promise<unknown>): Promise<boolean> {
  return (await codeOf(outcome)) === undefined;
}

const listVersion2 = twoWays({
  capability: 'ListObjectsV2',
  async isNative({ raw, key }) {
    const ask = raw({});
    const query = `list-type=2&max-keys=1&prefix=${encodeURIComponent(key)}`;
    try {
      const { text } = await ask({ method: 'GET', query });
      const token = textIn(text, 'NextContinuationToken');
      if (textIn(text, 'KeyCount') !== '1' || token === undefined) return false;
      const next = await ask({ method: 'GET', query: `${query}&continuation-token=${encodeURIComponent(token)}` });
      return textIn(next.text, 'Key') !== textIn(text, 'Key');
    } catch {
      return false;
    }
  },
  isSetNative: ({ listVersion }) => listVersion === 2,
  otherwise: 'failed',
  settings: ['listVersion: 2', 'listVersion: 1'],
});

const encodingType = twoWays({
  capability: 'encoding-type=url',
  async isNative({ raw, key }) {
    const query = `encoding-type=url&prefix=${encodeURIComponent(key)}`;
    const text = await raw({ encodingType: 'pass' })({ method: 'GET', query }).then(
      (answer) => answer.text,
      () => '',
    );
    return textIn(text, 'EncodingType') === 'url';
  },
  isSetNative: ({ encodingType: set }) => set === 'pass',
  otherwise: 'emulated',
  settings: ['encodingType: pass', 'encodingType: unsupported'],
});

const deleteObjects = twoWays({
  capability: 'DeleteObjects',
  isNative: ({ raw, key }) =>
    succeeds(
      raw({})({ method: 'POST', query: 'delete', body: `<Delete><Object><Key>${key}-none</Key></Object></Delete>` }),
    ),
  isSetNative: ({ maxDeleteKeys }) => maxDeleteKeys > 1,
  otherwise: 'emulated',
  settings: ['maxDeleteKeys: 1000', 'maxDeleteKeys: 1'],
});

const checksums = twoWays({
  capability: 'checksums',
  async isNative({ raw, key }) {
    const ask = raw({ checksums: 'pass' });
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(BODY));
    const value = sum.toString('base64');
    try {
      await ask({ method: 'PUT', key: `${key}-sum`, body: BODY, headers: { 'x-amz-checksum-crc32': value } });
      const headers = { 'x-amz-checksum-mode': 'ENABLED' };
      return (await ask({ method: 'HEAD', key: `${key}-sum`, headers })).headers.get('x-amz-checksum-crc32') === value;
    } catch {
      return false;
    }
  },
  isSetNative: ({ checksums: set }) => set === 'pass',
  otherwise: 'missing',
  settings: ['checksums: pass', 'checksums: strip'],
});

const uploadPartCopy = twoWays({
  capability: 'UploadPartCopy',
  async isNative({ raw, key }) {
    const ask = raw({});
    const created = await ask({ method: 'POST', key: `${key}-part-copy`, query: 'uploads' });
    const upload = `uploadId=${encodeURIComponent(textIn(created.text, 'UploadId') ?? '')}`;
    const headers = { 'x-amz-copy-source-range': 'bytes=0-0' };
    const isDone = await succeeds(
      ask({ method: 'PUT', key: `${key}-part-copy`, query: `partNumber=1&${upload}`, source: key, headers }),
    );
    await ask({ method: 'DELETE', key: `${key}-part-copy`, query: upload });
    return isDone;
  },
  isSetNative: ({ uploadPartCopy: set }) => set === 'native',
  otherwise: 'emulated',
  settings: ['uploadPartCopy: native', 'uploadPartCopy: missing'],
});

/** The questions that the row may call missing, and how each is asked. */
const QUESTIONS: Readonly<Record<StandIn, { readonly query: string; readonly isOfObject: boolean }>> = {
  GetBucketLocation: { query: 'location', isOfObject: false },
  GetBucketVersioning: { query: 'versioning', isOfObject: false },
  GetBucketAcl: { query: 'acl', isOfObject: false },
  GetBucketTagging: { query: 'tagging', isOfObject: false },
  GetObjectAcl: { query: 'acl', isOfObject: true },
  GetObjectTagging: { query: 'tagging', isOfObject: true },
  GetObjectAttributes: { query: 'attributes', isOfObject: true },
};

const questions: DialectProbe = async ({ raw, dialect, key }) => {
  const findings: Finding[] = [];
  // Its keys are that type.
  for (const capability of Object.keys(QUESTIONS) as StandIn[]) {
    const { query, isOfObject } = QUESTIONS[capability];
    const headers = { 'x-amz-object-attributes': 'ETag' };
    const code = await codeOf(raw({})({ method: 'GET', query, headers, ...(isOfObject && { key }) }));
    const isKnown = code === undefined || code === 'NoSuchTagSet';
    const isMissing = dialect.missing.includes(capability);
    if (isKnown && !isMissing) findings.push({ capability, state: 'native' });
    else if (isKnown)
      findings.push({
        capability,
        state: 'emulated',
        note: 'the service can',
        setting: `missing: without ${capability}`,
      });
    else if (isMissing || code === 'NotImplemented' || code === 'MethodNotAllowed')
      findings.push({ capability, state: 'emulated' });
    else findings.push({ capability, state: 'missing', note: code, setting: `missing: with ${capability}` });
  }
  return findings;
};

const etags: DialectProbe = async ({ raw, ask, dialect, key }) => {
  const capability = 'ETag is the MD5';
  const due = createHash('md5').update(BODY).digest('hex');
  const etag = (await raw({})({ method: 'PUT', key: `${key}-etag`, body: BODY })).headers.get('etag') ?? '';
  const seen = (await ask({ method: 'HEAD', key: `${key}-etag` })).headers.get('etag') ?? '';
  if (etag === `"${due}"`) return [{ capability, state: 'native' }];
  if (dialect.etag === 'md5') return [{ capability, state: 'emulated', note: `the service gives ${etag}` }];
  return [{ capability, state: 'missing', note: `the service gives ${seen}`, setting: 'etag: md5' }];
};

const EVERYWHERE: readonly ConditionalOperation[] = ['PutObject', 'CopyObject', 'CompleteMultipartUpload'];

interface Condition {
  readonly field: 'ifNoneMatch' | 'ifMatch';
  readonly header: string;
  /** Cannot hold for an object that is there. */
  readonly value: string;
}

const CONDITIONS: readonly Condition[] = [
  { field: 'ifNoneMatch', header: 'if-none-match', value: '*' },
  { field: 'ifMatch', header: 'if-match', value: `"${'0'.repeat(32)}"` },
];

/**
 * A condition that cannot hold must be answered with PreconditionFailed. A service that writes all the same loses data
 * for those who rely on it: nothing matters more, and no document is to be believed.
 */
const conditions: DialectProbe = async (context) => {
  const findings: Finding[] = [];
  for (const condition of CONDITIONS) {
    for (const operation of EVERYWHERE) findings.push(await tryCondition(condition, operation, context));
  }
  return findings;
};

async function tryCondition(
  { field, header, value }: Condition,
  operation: ConditionalOperation,
  context: DialectContext,
): Promise<Finding> {
  const capability = `${header} on ${operation}`;
  const raw = context.raw({ [field]: { by: 'native' }, conditionalOperations: EVERYWHERE });
  const headers = { [header]: value };
  const native = await codeOf(write(raw, operation, headers, context));
  const seen = await codeOf(write(context.ask, operation, headers, context));
  const isHeeded = native === 'PreconditionFailed' || native === 'ConditionalRequestConflict';
  const set = `${field}: { by: native }, conditionalOperations: with ${operation}`;
  if (seen === undefined) {
    const setting = `${field}: { by: refuse }, or conditionalOperations: without ${operation}`;
    return { capability, state: 'failed', note: 'the condition is ignored, and the object overwritten', setting };
  }
  if (seen === 'PreconditionFailed') return { capability, state: isHeeded ? 'native' : 'emulated' };
  if (seen === 'NotImplemented') {
    return { capability, state: 'missing', note: 'refused with 501', ...(isHeeded && { setting: set }) };
  }
  return { capability, state: 'failed', note: seen };
}

async function write(
  ask: Ask,
  operation: ConditionalOperation,
  headers: Readonly<Record<string, string>>,
  { key }: DialectContext,
): Promise<void> {
  if (operation === 'PutObject') await ask({ method: 'PUT', key, body: BODY, headers });
  else if (operation === 'CopyObject') {
    await ask({ method: 'PUT', key, source: key, headers: { 'x-amz-metadata-directive': 'REPLACE', ...headers } });
  } else {
    const created = await ask({ method: 'POST', key, query: 'uploads' });
    const upload = `uploadId=${encodeURIComponent(textIn(created.text, 'UploadId') ?? '')}`;
    const part = await ask({ method: 'PUT', key, query: `partNumber=1&${upload}`, body: BODY });
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.get('etag')}</ETag></Part></CompleteMultipartUpload>`;
    try {
      await ask({ method: 'POST', key, query: upload, body, headers });
    } catch (error) {
      await codeOf(ask({ method: 'DELETE', key, query: upload }));
      throw error;
    }
  }
}

const signatures: DialectProbe = async ({ raw, dialect }) => {
  const others = (['v4', 'v2', 'native'] as const).filter(
    (each) => each !== dialect.signature && (each !== 'native' || dialect.nativeSignature !== undefined),
  );
  const findings: Finding[] = [];
  for (const signature of others) {
    const capability = `signature ${signature}`;
    try {
      await raw({ signature })({ method: 'GET', query: 'max-keys=1' });
      findings.push({ capability, state: 'native', note: 'works too' });
    } catch (error) {
      findings.push({ capability, state: 'missing', note: `${reasonOf(error)}; ${dialect.signature} is used` });
    }
  }
  return findings;
};

const PROBES: readonly DialectProbe[] = [
  signatures,
  listVersion2,
  encodingType,
  deleteObjects,
  uploadPartCopy,
  etags,
  checksums,
  conditions,
  questions,
];
