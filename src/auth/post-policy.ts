import { S3Error } from '../s3/error.ts';
import type { SizeRange } from './form-file.ts';

/** One thing a policy asks of a field. */
interface Condition {
  readonly kind: 'eq' | 'starts-with';
  /** Lower case, without `$`. */
  readonly field: string;
  readonly value: string;
}

/** A policy document, read. */
export interface Policy {
  readonly expiration: Date;
  readonly conditions: readonly Condition[];
  /** What all its `content-length-range` leave. */
  readonly size: SizeRange;
}

/**
 * Reads the `policy` field: base64 of a JSON document.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
 * @throws S3Error InvalidPolicyDocument
 */
export function parsePolicy(base64: string): Policy {
  const document = decodeJson(base64);
  if (!isRecord(document)) throw invalid('it is not an object');
  const { expiration, conditions, ...others } = document;
  const [unexpected] = Object.keys(others);
  if (unexpected !== undefined) throw invalid(`unexpected: '${unexpected}'`);
  const time = typeof expiration === 'string' && ISO_DATE.test(expiration) ? new Date(expiration) : undefined;
  if (time === undefined || Number.isNaN(time.getTime())) throw invalid('its expiration is missing or not a date');
  if (!Array.isArray(conditions)) throw invalid('it has no conditions');
  const parsed: Condition[] = [];
  let size: SizeRange = { min: 0, max: Number.MAX_SAFE_INTEGER };
  for (const item of conditions as readonly unknown[]) {
    if (Array.isArray(item) && isOperator(item[0], 'content-length-range')) size = narrow(size, item);
    else parsed.push(...parseCondition(item));
  }
  return { expiration: time, conditions: parsed, size };
}

/** Fields that need no condition: those that carry the signature itself, and what S3 says it ignores. */
const NOT_COVERED: ReadonlySet<string> = new Set(['policy', 'file', 'x-amz-signature', 'signature', 'awsaccesskeyid']);

/**
 * Holds a form against its policy: it must not have expired, every condition must hold, and every field must
 * stand in a condition. `fields` has `bucket` and `key` as they will be used.
 * @throws S3Error AccessDenied
 */
export function checkPolicy(policy: Policy, fields: ReadonlyMap<string, string>, now: Date): void {
  if (now.getTime() >= policy.expiration.getTime()) throw denied('Policy expired.');
  for (const { kind, field, value } of policy.conditions) {
    const given = fields.get(field) ?? '';
    const isMet =
      kind === 'eq'
        ? given === value
        : field === 'content-type'
          ? given.split(',').every((type) => type.trim().startsWith(value))
          : given.startsWith(value);
    if (!isMet) throw denied(`Policy Condition failed: ["${kind}", "$${field}", "${value}"]`);
  }
  const covered = new Set(policy.conditions.map(({ field }) => field));
  for (const name of fields.keys()) {
    if (covered.has(name) || NOT_COVERED.has(name) || name.startsWith('x-ignore-')) continue;
    throw denied(`Extra input fields: ${name}`);
  }
}

const ISO_DATE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/;

function decodeJson(base64: string): unknown {
  const compact = base64.replace(/[\r\n]/g, '');
  const bytes = Buffer.from(compact, 'base64');
  // Buffer takes anything for base64; two readers of the same policy must not differ.
  if (compact === '' || bytes.toString('base64') !== compact) throw invalid('it is not base64');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw invalid('it is not JSON', cause);
  }
}

function parseCondition(item: unknown): readonly Condition[] {
  if (Array.isArray(item)) {
    const [kind, field, value] = item as readonly unknown[];
    const operator = isOperator(kind, 'eq') ? 'eq' : isOperator(kind, 'starts-with') ? 'starts-with' : undefined;
    if (operator === undefined || item.length !== 3 || typeof field !== 'string' || typeof value !== 'string') {
      throw invalid('a condition is malformed');
    }
    if (!field.startsWith('$')) throw invalid('a condition names no field');
    return [{ kind: operator, field: field.slice(1).toLowerCase(), value }];
  }
  if (!isRecord(item) || Object.keys(item).length === 0) throw invalid('a condition is malformed');
  return Object.entries(item).map(([field, value]) => {
    if (typeof value !== 'string') throw invalid('a condition is malformed');
    return { kind: 'eq', field: field.toLowerCase(), value };
  });
}

function isOperator(given: unknown, operator: string): boolean {
  return typeof given === 'string' && given.toLowerCase() === operator;
}

function narrow(size: SizeRange, item: readonly unknown[]): SizeRange {
  const [min, max] = item.slice(1).map(toSize);
  if (item.length !== 3 || min === undefined || max === undefined || min > max) {
    throw invalid('a content-length-range is malformed');
  }
  return { min: Math.max(size.min, min), max: Math.min(size.max, max) };
}

function toSize(value: unknown): number | undefined {
  const size = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(why: string, cause?: unknown): S3Error {
  return new S3Error('InvalidPolicyDocument', { message: `Invalid Policy: ${why}.`, cause });
}

function denied(why: string): S3Error {
  return new S3Error('AccessDenied', { message: `Invalid according to Policy: ${why}` });
}
