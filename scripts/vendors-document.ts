import type { Dialect } from '../src/upstream/dialect.ts';
import { VENDORS, type Vendor } from '../src/upstream/vendors.ts';

/** What a field of a row means, for people. A field added to the row must be added here. */
const FIELDS: Readonly<Record<keyof Dialect, string>> = {
  signature: 'How requests are signed',
  signatures: 'Signatures the service takes; another is a configuration error',
  addressing: 'Where the bucket stands: in the path, before the host, or nowhere (a domain bound to it)',
  addressings: 'Styles the service takes; another is a configuration error',
  v2DomainResource: 'What V2 signs in the place of the bucket where the host is bound to one',
  dottedBuckets: 'A bucket with a dot over TLS: in the path, as no certificate covers it, or as it is',
  hosts: 'Hosts, and the region each stands for',
  region: 'Region signed for where neither the storage nor its host says one',
  payload: 'Payload hash under V4',
  checksums: 'Checksum headers: passed on, or kept here',
  contentMd5OnXml: 'Content-MD5 on requests with an XML body',
  ifNoneMatch: '`If-None-Match: *` on writes',
  ifMatch: '`If-Match` on writes',
  conditionalOperations: 'Writes on which the service heeds conditions; elsewhere they are refused with 501',
  listVersion: 'Newest listing; V2 is made of V1 where need be',
  encodingType: '`encoding-type=url`: passed on, or done here',
  maxKeys: 'Keys in a page',
  maxDeleteKeys: 'Keys in one DeleteObjects',
  maxSinglePut: 'Bytes in one PutObject; more go in parts',
  maxCopy: 'Bytes in one CopyObject; more are copied in parts',
  minPart: 'Smallest part but the last, in bytes',
  maxParts: 'Parts of an upload',
  partSizes: 'Sizes of parts but the last',
  uploadPartCopy: 'UploadPartCopy; made of a read and an upload where it is missing',
  etag: 'ETags: as AWS makes them, anything, or replaced by the MD5',
  dotSegments: 'Keys with a `.` or `..` segment',
  locationConstraint: 'What CreateBucket says as LocationConstraint',
  missing: 'Questions answered here, as the service has no answer',
  storageClasses: "S3's storage classes that the service calls otherwise",
  bucketSuffix: 'What goes behind every bucket name, unseen by clients',
  nativeHeaders: "Prefix of the service's own headers, which stand in for missing S3 ones",
  nativeSignature: "The service's own signature (`signature: native`)",
};

/**
 * The document that tells what Sluice believes of each vendor.
 * @param source text of `vendors.ts`, whose comments are the reasons and sources
 */
export function vendorsDocument(source: string): string {
  const names = Object.keys(VENDORS) as Vendor[]; // Its keys are that type.
  const reasons = reasonsIn(source);
  const { other } = VENDORS;
  const sections = names
    .filter((name) => name !== 'other')
    .map((name) => {
      const fields = fieldNames(VENDORS[name]).filter(
        (field) => written(VENDORS[name][field]) !== written(other[field]),
      );
      const rows = fields.map((field) => row(field, VENDORS[name], reasons.get(`${name}.${field}`)));
      return [`## ${name}`, '', reasons.get(name) ?? '', '', ...table(rows)].join('\n');
    });
  const all = fieldNames(other).map((field) => row(field, other, reasons.get(`other.${field}`) ?? FIELDS[field]));
  return `${[INTRODUCTION, `## other\n\n${reasons.get('other') ?? ''}\n\n${table(all).join('\n')}`, ...sections].join('\n\n')}\n`;
}

const INTRODUCTION = `<!-- Written by scripts/vendors-doc.ts from src/upstream/vendors.ts: change that, then npm run vendors. -->
# Vendors

What Sluice believes of each S3 service, and does in its stead. A storage takes its provider's row; every field but \`hosts\`
and \`region\`, which is a setting of its own, can be set for a storage in \`sluice.yaml\`. Most is from documents and other
people's reports, not from accounts of ours: \`sluice check\` tries a storage and names the field that should be set otherwise.

Each provider below lists only where it differs from \`other\`.`;

function fieldNames(dialect: Dialect): (keyof Dialect)[] {
  return Object.keys(dialect) as (keyof Dialect)[]; // A Dialect has no other keys.
}

function table(rows: readonly string[]): string[] {
  return ['| Field | Value | Why |', '|---|---|---|', ...rows];
}

function row(field: keyof Dialect, dialect: Dialect, reason: string | undefined): string {
  return `| \`${field}\` | ${written(dialect[field])} | ${(reason ?? FIELDS[field]).replaceAll('|', '\\|')} |`;
}

function written(value: Dialect[keyof Dialect]): string {
  if (value === undefined || value === '') return 'none';
  if (typeof value !== 'object') return `\`${value}\``;
  if (Array.isArray(value)) {
    const items = value.map((item) => (typeof item === 'object' ? hostText(item) : `\`${item}\``));
    return items.length === 0 ? 'none' : items.join(', ');
  }
  const text = JSON.stringify(value);
  return text === '{}' ? 'none' : `\`${text.replaceAll('|', '\\|')}\``;
}

function hostText({ host, use }: { readonly host: string; readonly use?: string }): string {
  return use === undefined ? `\`${host}\`` : `\`${host}\` (wrong: use \`${use}\`)`;
}

/**
 * The comments of the table: of a row, by its name, and of a field, by `row.field`. A comment is of the field below it.
 */
function reasonsIn(source: string): ReadonlyMap<string, string> {
  const reasons = new Map<string, string>();
  let comment: string[] = [];
  let rowName = '';
  for (const line of source.split('\n')) {
    const text = /^\s*(?:\/\/|\/\*\*|\*(?!\/))\s?(.*?)(?:\s*\*\/)?$/.exec(line)?.[1];
    const begun = /^const (\w+): Dialect = \{/.exec(line)?.[1];
    const field = /^ {2}(\w+):/.exec(line)?.[1];
    if (text !== undefined) {
      if (text !== '') comment.push(text);
      continue;
    }
    if (begun !== undefined) rowName = begun;
    const place = begun ?? (field === undefined ? undefined : `${rowName}.${field}`);
    if (place !== undefined && comment.length > 0) reasons.set(place, comment.join(' '));
    if (!/^\s*(\*\/)?$/.test(line)) comment = [];
  }
  return reasons;
}
