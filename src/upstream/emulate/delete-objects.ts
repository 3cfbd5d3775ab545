import { readBody } from '../../s3/body.ts';
import { S3Error } from '../../s3/error.ts';
import type { Handler, Layer, S3Request, S3Response } from '../../s3/message.ts';
import { buildXml, childText, MAX_XML_BYTES, parseXml, type XmlElement, type XmlNode } from '../../s3/xml.ts';
import type { Dialect } from '../dialect.ts';
import {
  ACCESS_HEADERS,
  answerXml,
  ask,
  inParallel,
  isUnsupported,
  noteEmulation,
  pick,
  textOf,
  withDocument,
} from './ask.ts';

/** So many keys are deleted at a time where each takes a request. */
const PARALLEL_DELETES = 16;
const BYPASS = 'x-amz-bypass-governance-retention';

/**
 * DeleteObjects with more keys than the service takes at once: asked in turns, answered as one. Where the service has
 * no such operation, each key is deleted by itself. Conditions of entries are refused unless the service heeds those of
 * DeleteObject.
 */
export function deleteObjects({
  maxDeleteKeys,
  conditionalOperations,
}: Pick<Dialect, 'maxDeleteKeys' | 'conditionalOperations'>): Layer {
  const heedsConditions = conditionalOperations.includes('DeleteObject');
  return (next) => async (received) => {
    if (received.operation !== 'DeleteObjects') return next(received);
    const document = await readBody(received.body, MAX_XML_BYTES, 'MaxMessageLengthExceeded');
    const request = { ...received, body: document, bodyLength: document.byteLength };
    if (!heedsConditions && CONDITION.test(textOfBytes(document))) throw new S3Error('NotImplemented');
    if (maxDeleteKeys > 1 && countObjects(document) <= maxDeleteKeys) {
      try {
        return await next(request);
      } catch (error) {
        if (!isUnsupported(error)) throw error;
      }
      return deleteEach(parseXml(document, 'Delete'), request, next);
    }
    const root = parseXml(document, 'Delete');
    return maxDeleteKeys > 1 ? deleteInTurns(root, request, { next, maxDeleteKeys }) : deleteEach(root, request, next);
  };
}

const CONDITION = /<(ETag|LastModifiedTime|Size)[\s>]/;

/** Text cannot hold a `<`, so this counts start tags. */
function countObjects(document: Uint8Array): number {
  return textOfBytes(document).split('<Object').length - 1;
}

function textOfBytes({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
}

const isQuiet = (root: XmlElement): boolean => childText(root, 'Quiet')?.trim() === 'true';
const objectsOf = (root: XmlElement): XmlElement[] => root.children.filter(({ name }) => name === 'Object');

async function deleteInTurns(
  root: XmlElement,
  request: S3Request,
  { next, maxDeleteKeys }: { readonly next: Handler; readonly maxDeleteKeys: number },
): Promise<S3Response> {
  noteEmulation(request, 'deletion in turns');
  const objects = objectsOf(root);
  const entries: XmlNode[] = [];
  for (let start = 0; start < objects.length; start += maxDeleteKeys) {
    const turn = objects.slice(start, start + maxDeleteKeys);
    const nodes: XmlNode[] = [...turn.map(nodeOf), ['Quiet', isQuiet(root) ? true : undefined]];
    try {
      const answer = await textOf(await next(withDocument(request, buildXml(['Delete', nodes]))));
      const said = parseXml(Buffer.from(answer), 'DeleteResult').children;
      entries.push(...said.filter(({ name }) => name === 'Deleted' || name === 'Error').map(nodeOf));
    } catch (error) {
      // Of the first turn nothing was done, so that the whole may fail. Later ones answer for their own keys.
      if (start === 0 || !(error instanceof S3Error)) throw error;
      entries.push(...turn.map((object) => errorEntry(object, error)));
    }
  }
  return answerXml(['DeleteResult', entries]);
}

async function deleteEach(root: XmlElement, request: S3Request, next: Handler): Promise<S3Response> {
  noteEmulation(request, 'deletion one by one');
  const headers = pick(request.headers, ACCESS_HEADERS);
  const bypass = request.headers.get(BYPASS);
  if (bypass !== undefined) headers.set(BYPASS, bypass);
  const entries = await inParallel(objectsOf(root), PARALLEL_DELETES, async (object): Promise<XmlNode> => {
    try {
      const key = childText(object, 'Key');
      const versionId = childText(object, 'VersionId');
      const response = await next(
        ask(request, {
          operation: 'DeleteObject',
          key,
          query: { versionId },
          headers: new Map([...headers, ...conditionsOf(object)]),
        }),
      );
      return ['Deleted', deletedEntry(object, response)];
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      return errorEntry(object, error);
    }
  });
  return answerXml(['DeleteResult', isQuiet(root) ? entries.filter(([name]) => name === 'Error') : entries]);
}

/** An entry's conditions as headers; whether the service heeds them is decided where the request is translated. */
function conditionsOf(object: XmlElement): [string, string][] {
  const etag = childText(object, 'ETag');
  if (childText(object, 'Size') !== undefined || childText(object, 'LastModifiedTime') !== undefined) {
    throw new S3Error('NotImplemented');
  }
  return etag === undefined ? [] : [['if-match', etag]];
}

function deletedEntry(object: XmlElement, { headers }: S3Response): XmlNode[] {
  const isMarker = headers.get('x-amz-delete-marker') === 'true';
  return [
    ['Key', childText(object, 'Key')],
    ['VersionId', childText(object, 'VersionId')],
    ['DeleteMarker', isMarker ? true : undefined],
    ['DeleteMarkerVersionId', isMarker ? headers.get('x-amz-version-id') : undefined],
  ];
}

function errorEntry(object: XmlElement, error: S3Error): XmlNode {
  return [
    'Error',
    [
      ['Key', childText(object, 'Key')],
      ['VersionId', childText(object, 'VersionId')],
      ['Code', error.code],
      ['Message', error.message],
    ],
  ];
}

function nodeOf({ name, text, children }: XmlElement): XmlNode {
  return [name, children.length === 0 ? text : children.map(nodeOf)];
}
