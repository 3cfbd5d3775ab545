import { S3Error } from '../../s3/error.ts';
import { TransportFailure } from '../../s3/failure.ts';
import { type Ask, codeOf, reasonOf, textIn } from './ask.ts';
import type { Finding, State } from './finding.ts';

/** What every storage must do, through all that Sluice puts in front of it. */
interface Basic {
  readonly capability: string;
  /** @throws what the storage refused, or an Error that says what is wrong with its answer */
  readonly run: (ask: Ask, key: string) => Promise<string | undefined>;
}

const BODY = 'sluice check: 0123456789';

const BASICS: readonly Basic[] = [
  {
    capability: 'put',
    async run(ask, key) {
      await ask({ method: 'PUT', key, body: BODY, headers: { 'content-type': 'text/x', 'x-amz-meta-a': 'b' } });
      await ask({ method: 'PUT', key: `${key} &+é`, body: BODY });
      return undefined;
    },
  },
  {
    capability: 'get',
    async run(ask, key) {
      const { text, headers } = await ask({ method: 'GET', key });
      if (text !== BODY) throw new Error('other bytes came back');
      if (headers.get('x-amz-meta-a') !== 'b') throw new Error('the metadata did not come back');
      const code = await ask({ method: 'GET', key: `${key}-none` }).then(
        () => 'an object',
        (error: unknown) => (error instanceof S3Error ? error.code : String(error)),
      );
      if (code !== 'NoSuchKey') throw new Error(`a missing key gives ${code}`);
      return undefined;
    },
  },
  {
    capability: 'range',
    async run(ask, key) {
      const { status, text } = await ask({ method: 'GET', key, headers: { range: 'bytes=14-18' } });
      if (status !== 206 || text !== BODY.slice(14, 19))
        throw new Error(`answered ${status} with ${text.length} bytes`);
      return undefined;
    },
  },
  {
    capability: 'list',
    async run(ask, key) {
      const query = `list-type=2&encoding-type=url&prefix=${encodeURIComponent(key)}`;
      const { text } = await ask({ method: 'GET', query });
      const names = [...text.matchAll(/<Key>([^<]*)</g)].map(([, name = '']) =>
        decodeURIComponent(name.replaceAll('+', ' ')),
      );
      if (names.length !== 2 || !names.includes(`${key} &+é`)) throw new Error(`found ${names.length} of 2 keys`);
      return undefined;
    },
  },
  {
    capability: 'multipart',
    async run(ask, key) {
      const created = await ask({ method: 'POST', key: `${key}-parts`, query: 'uploads' });
      const upload = `uploadId=${encodeURIComponent(textIn(created.text, 'UploadId') ?? '')}`;
      const part = await ask({ method: 'PUT', key: `${key}-parts`, query: `partNumber=1&${upload}`, body: BODY });
      const listed = await ask({ method: 'GET', key: `${key}-parts`, query: upload });
      if (textIn(listed.text, 'PartNumber') !== '1') throw new Error('the part is not listed');
      const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.get('etag')}</ETag></Part></CompleteMultipartUpload>`;
      await ask({ method: 'POST', key: `${key}-parts`, query: upload, body });
      const { text } = await ask({ method: 'GET', key: `${key}-parts` });
      if (text !== BODY) throw new Error('other bytes came back');
      return undefined;
    },
  },
  {
    capability: 'copy',
    async run(ask, key) {
      await ask({ method: 'PUT', key: `${key}-copy`, source: key });
      const { text } = await ask({ method: 'GET', key: `${key}-copy` });
      if (text !== BODY) throw new Error('other bytes came back');
      return undefined;
    },
  },
  {
    capability: 'delete',
    async run(ask, key) {
      await ask({ method: 'DELETE', key });
      const object = `<Object><Key>${key}-copy</Key></Object><Object><Key>${key}-parts</Key></Object>`;
      const { text } = await ask({ method: 'POST', query: 'delete', body: `<Delete>${object}</Delete>` });
      if (text.includes('<Error>')) throw new Error(`answered ${textIn(text, 'Code')}`);
      return undefined;
    },
  },
];

/**
 * Tries what every storage must do, one after the other, each once.
 * @param key under which objects are made; what is left of them is for the caller to remove
 */
export async function tryBasics(ask: Ask, key: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { capability, run } of BASICS) findings.push(await attempt(capability, () => run(ask, key)));
  return findings;
}

/**
 * Tries what a store of ours promises beside: a write that hangs on a condition is refused or done by it. Leaves an
 * object, for the caller to remove.
 */
export function tryConditions(ask: Ask, key: string): Promise<Finding> {
  return attempt('conditional write', async () => {
    const { headers } = await ask({ method: 'PUT', key, body: BODY });
    const refused: Readonly<Record<string, string>>[] = [{ 'if-none-match': '*' }, { 'if-match': '"0"' }];
    for (const condition of refused) {
      const code = await codeOf(ask({ method: 'PUT', key, body: 'x', headers: condition }));
      if (code !== 'PreconditionFailed') throw new Error(`${JSON.stringify(condition)} gives ${code ?? 'a write'}`);
    }
    await ask({ method: 'PUT', key, body: BODY, headers: { 'if-match': headers.get('etag') ?? '' } });
    return undefined;
  });
}

/** Runs a probe; what it throws is its finding. */
async function attempt(capability: string, run: () => Promise<string | undefined>): Promise<Finding> {
  try {
    const note = await run();
    return { capability, state: 'native', ...(note !== undefined && { note }) };
  } catch (error) {
    return { capability, state: 'failed', note: reasonOf(error) };
  }
}

const CERTIFICATE = /CERT|SELF_SIGNED|ERR_TLS|ERR_SSL|EPROTO|UNABLE_TO_/;

/**
 * The first words with a storage: whether it can be reached, its certificate holds, its clock is near ours, and it
 * takes our signature.
 * @param date the storage's clock, as it told it last
 */
export async function tryReaching(
  ask: Ask,
  storage: {
    readonly bucket: string | undefined;
    readonly isTls: boolean;
    readonly date: () => string | undefined;
    readonly now: () => Date;
  },
): Promise<Finding[]> {
  const began = storage.now().getTime();
  // A HEAD would be refused without a code.
  const failure = await ask({ method: 'GET', ...(storage.bucket !== undefined && { query: 'max-keys=1' }) }).then(
    () => undefined,
    (error: unknown) => error,
  );
  const took = storage.now().getTime() - began;
  const cause = failure instanceof S3Error ? failure.cause : undefined;
  const isUnreached = cause instanceof TransportFailure;
  const isTls = isUnreached && CERTIFICATE.test(cause.code);
  const finding = (capability: string, state: State, note: string): Finding => ({ capability, state, note });
  const tls = storage.isTls
    ? finding('tls', isTls ? 'failed' : isUnreached ? 'skipped' : 'native', isTls ? reasonOf(failure) : '')
    : finding('tls', 'skipped', 'plain http');
  if (isUnreached) return [finding('reach', 'failed', reasonOf(failure)), tls];
  const isAbsent = failure instanceof S3Error && failure.code === 'NoSuchBucket';
  const isSigned = failure === undefined || isAbsent;
  return [
    finding('reach', 'native', `${took} ms`),
    tls,
    clock(storage.date(), storage.now()),
    finding('sign', isSigned ? 'native' : 'failed', isSigned ? '' : reasonOf(failure)),
    ...(isAbsent ? [finding('bucket', 'failed', `there is no ${storage.bucket}`)] : []),
  ];
}

/** Signatures hold within a quarter of an hour; Sluice learns the storage's clock, and still it should be mended. */
function clock(date: string | undefined, now: Date): Finding {
  const skew = Math.round((Date.parse(date ?? '') - now.getTime()) / 1000);
  if (Number.isNaN(skew)) return { capability: 'clock', state: 'skipped', note: 'it does not tell' };
  const note = Math.abs(skew) <= 1 ? 'as ours' : `${Math.abs(skew)} s ${skew > 0 ? 'ahead of' : 'behind'} ours`;
  return { capability: 'clock', state: Math.abs(skew) > 60 ? 'emulated' : 'native', note };
}
