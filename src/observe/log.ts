import { type Logger, pino, stdTimeFunctions } from 'pino';
import type { RequestRecord } from '../http/server.ts';
import { S3Error } from '../s3/error.ts';

export type { Logger } from 'pino';

export interface LogOptions {
  readonly level: string;
  readonly format: 'json' | 'pretty';
}

/**
 * Opens the log on standard error, so that what a command prints stays apart from it. JSON lines are written in
 * the background; `flush` before the process ends.
 */
export async function openLog({ level, format }: LogOptions): Promise<Logger> {
  const stream =
    format === 'pretty'
      ? (await import('pino-pretty')).default({
          destination: 2,
          ignore: 'pid,hostname',
          translateTime: 'SYS:HH:MM:ss.l',
        })
      : pino.destination({ fd: 2, sync: false });
  return pino({ level, base: null, timestamp: stdTimeFunctions.isoTime, serializers: { err: describeError } }, stream);
}

/** Writes a request's one line. Keys and query values stay out: presigned ones are passwords. */
export function logRequest(log: Logger, record: RequestRecord): void {
  const { error, status, isClientGone } = record;
  // 501 answers what a client asked for and nobody has. An answer that began well may have broken off.
  const hasFailed = status < 300 ? error !== undefined : status >= 500 && status !== 501;
  const isFailure = hasFailed && !isClientGone;
  const level = isFailure ? 'error' : 'info';
  if (!log.isLevelEnabled(level)) return;
  const line: Record<string, unknown> = {
    id: record.id,
    method: record.method,
    operation: record.operation,
    bucket: record.bucket,
    peer: record.peer,
    bytesReceived: record.bytesReceived,
    bytesSent: record.bytesSent,
    status,
    ms: Math.round(record.durationMs * 10) / 10,
  };
  for (const [name, value] of record.notes) line[name] = value;
  if (isClientGone) line.isClientGone = true;
  else if (error !== undefined) line.code = error instanceof S3Error ? error.code : 'InternalError';
  // A refused request is the client's matter; the stack is wanted where something here or behind failed.
  if (error !== undefined && isFailure) line.err = error;
  log[level](line, 'request');
}

/**
 * An error for the log: names, codes, messages and stacks down the chain of causes, and nothing else of the
 * objects: undici's and node's carry whole requests with their Authorization.
 */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = 'code' in error ? { code: String(error.code) } : {};
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return { type: error.name, ...code, message: error.message, stack: error.stack, ...cause };
}
