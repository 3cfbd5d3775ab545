import { checkKey } from '../s3/address.ts';
import { readBody } from '../s3/body.ts';
import { S3Error, type S3ErrorCode } from '../s3/error.ts';
import type { S3Request, S3Response } from '../s3/message.ts';
import { buildXml, childText, parseXml, type XmlElement, type XmlNode } from '../s3/xml.ts';
import type { Target } from './catalog.ts';
import { readAnswer, withDocument, xmlAnswer } from './document.ts';
import { messageOf } from './error-document.ts';
import { storageKey } from './mapping.ts';

/**
 * One document may name more keys than S3's 1,000: Zadig's clean-up joins those of many tasks into one. It is split
 * for the storage and the answers are joined.
 */
export const MAX_KEYS = 10_000;
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
const CHUNK_KEYS = 1000;
/** With a prefix before each key a document still stays below the 1 MiB that storages take. */
const CHUNK_BYTES = 384 * 1024;

export interface DeleteObjectsRules {
  /** The buckets that may hold a key: each is told to delete it. Throws to refuse the whole request. */
  readonly targetsOf: (key: string) => readonly Target[];
  readonly mayDelete: (key: string) => boolean;
  /** Sends one document's worth of keys, as clients write them, to one bucket. */
  readonly send: (target: Target, request: S3Request) => Promise<S3Response>;
  /** Told of a document that failed as a whole while others were answered. */
  readonly onFailure: (error: S3Error) => void;
}

/**
 * Answers DeleteObjects. Keys that the caller may not delete are answered with AccessDenied, those that are too long
 * with KeyTooLongError, each for itself, and never reach a storage. Consumes the body.
 * @throws S3Error MalformedXML, MaxMessageLengthExceeded; what the storage says to a single document
 */
export async function deleteObjects(request: S3Request, rules: DeleteObjectsRules): Promise<S3Response> {
  const document = await readBody(request.body, MAX_DOCUMENT_BYTES, 'MaxMessageLengthExceeded');
  const { objects, isQuiet } = parseDelete(document);
  const answers = new Map<string, XmlNode>();
  const groups = new Map<string, { readonly target: Target; readonly objects: ObjectToDelete[] }>();
  for (const object of objects) {
    const targets = rules.targetsOf(object.key);
    if (!rules.mayDelete(object.key)) {
      answers.set(object.id, errorEntry(object, 'AccessDenied'));
      continue;
    }
    const fault = keyFault(object.key, targets);
    if (fault !== undefined) {
      answers.set(object.id, errorEntry(object, fault));
      continue;
    }
    for (const target of targets) {
      const group = groups.get(target.bucket);
      if (group === undefined) groups.set(target.bucket, { target, objects: [object] });
      else group.objects.push(object);
    }
  }
  const chunks = [...groups.values()].flatMap((group) =>
    split(group.objects).map((chunk) => ({ target: group.target, chunk })),
  );
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1 && answers.size === 0) {
    return rules.send(only.target, withDocument(request, formatDelete(only.chunk, isQuiet)));
  }
  for (const { target, chunk } of chunks) {
    const inner = withDocument(request, formatDelete(chunk, isQuiet));
    for (const [id, entry] of await entriesOf(() => rules.send(target, inner), chunk, rules.onFailure)) {
      // A pooled key is deleted in two buckets: an error in either is what the client must know.
      if (answers.get(id)?.[0] !== 'Error') answers.set(id, entry);
    }
  }
  return xmlAnswer(buildXml(['DeleteResult', [...answers.values()]]));
}

interface ObjectToDelete {
  /** Key and version, as one text. */
  readonly id: string;
  readonly key: string;
  readonly versionId: string | undefined;
  readonly element: XmlNode;
}

function parseDelete(document: Uint8Array): { objects: ObjectToDelete[]; isQuiet: boolean } {
  const root = parseXml(document, 'Delete');
  const quiet = childText(root, 'Quiet')?.trim().toLowerCase() ?? 'false';
  const objects = root.children.filter(({ name }) => name === 'Object').map(parseObject);
  if (objects.length === 0 || objects.length > MAX_KEYS) throw new S3Error('MalformedXML');
  if (quiet !== 'true' && quiet !== 'false') throw new S3Error('MalformedXML');
  return { objects, isQuiet: quiet === 'true' };
}

/** Conditions besides the version go along; anything else in an entry is not S3's. */
const OBJECT_FIELDS = ['Key', 'VersionId', 'ETag', 'LastModifiedTime', 'Size'] as const;

function parseObject(element: XmlElement): ObjectToDelete {
  const key = childText(element, 'Key');
  if (key === undefined || key === '') throw new S3Error('MalformedXML');
  const versionId = childText(element, 'VersionId');
  const fields = OBJECT_FIELDS.map((name): XmlNode => [name, childText(element, name)]);
  return { id: idOf(key, versionId), key, versionId, element: ['Object', fields] };
}

/** Why no storage is asked for a key: S3 does not have it, or the storage's prefix makes it too long. */
function keyFault(key: string, targets: readonly Target[]): S3ErrorCode | undefined {
  try {
    checkKey(key);
    for (const target of targets) storageKey(key, target);
    return undefined;
  } catch (error) {
    if (error instanceof S3Error) return error.code;
    throw error;
  }
}

function idOf(key: string, versionId: string | undefined): string {
  return `${key}\0${versionId ?? ''}`;
}

function formatDelete(objects: readonly ObjectToDelete[], isQuiet: boolean): string {
  return buildXml(['Delete', [...objects.map(({ element }) => element), ['Quiet', isQuiet ? true : undefined]]]);
}

function split(objects: readonly ObjectToDelete[]): ObjectToDelete[][] {
  const chunks: ObjectToDelete[][] = [];
  let chunk: ObjectToDelete[] = [];
  let bytes = 0;
  for (const object of objects) {
    const size = Buffer.byteLength(object.key) + (object.versionId?.length ?? 0);
    if (chunk.length > 0 && (chunk.length === CHUNK_KEYS || bytes + size > CHUNK_BYTES)) {
      chunks.push(chunk);
      chunk = [];
      bytes = 0;
    }
    chunk.push(object);
    bytes += size;
  }
  return chunk.length === 0 ? chunks : [...chunks, chunk];
}

/**
 * What was answered for each key of a chunk. When a chunk fails as a whole, others may have been deleted already, so
 * its error is given to each of its keys.
 */
async function entriesOf(
  send: () => Promise<S3Response>,
  chunk: readonly ObjectToDelete[],
  onFailure: (error: S3Error) => void,
): Promise<[id: string, entry: XmlNode][]> {
  try {
    const response = await send();
    const document = await readAnswer(response);
    if (response.status !== 200) throw new S3Error(response.status === 403 ? 'AccessDenied' : 'InternalError');
    return parseXml(Buffer.from(document), 'DeleteResult')
      .children.filter(({ name }) => name === 'Deleted' || name === 'Error')
      .map((entry) => [idOf(childText(entry, 'Key') ?? '', childText(entry, 'VersionId')), nodeOf(entry)]);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    onFailure(error);
    return chunk.map((object) => [object.id, errorEntry(object, error.code)]);
  }
}

function nodeOf({ name, text, children }: XmlElement): XmlNode {
  return [name, children.length === 0 ? text : children.map(nodeOf)];
}

function errorEntry({ key, versionId }: ObjectToDelete, code: S3ErrorCode): XmlNode {
  return [
    'Error',
    [
      ['Key', key],
      ['VersionId', versionId],
      ['Code', code],
      ['Message', messageOf(code)],
    ],
  ];
}
