import { pino } from 'pino';
import t from 'tap';
import type { RequestRecord } from '../../../src/http/server.ts';
import { describeError, logRequest } from '../../../src/observe/log.ts';
import { S3Error } from '../../../src/s3/error.ts';

const DONE: RequestRecord = {
  id: 'ID',
  method: 'GET',
  operation: 'GetObject',
  bucket: 'bkt',
  peer: '127.0.0.1',
  status: 200,
  durationMs: 1,
  bytesReceived: 1,
  bytesSent: 1,
  notes: new Map(),
  error: undefined,
  isClientGone: false,
};

function lineOf(record: Partial<RequestRecord>): {
  readonly level: number;
  readonly code?: string;
  readonly err?: object;
} {
  const lines: string[] = [];
  const log = pino({ serializers: { err: describeError } }, { write: (line: string) => void lines.push(line) });
  logRequest(log, { ...DONE, ...record });
  // A log line is of this shape.
  return JSON.parse(lines.join(''));
}

t.test('what failed here or behind is an error with its cause, also when the answer had begun well', async (t) => {
  const error = new Error('the line is gone');
  t.match(lineOf({ status: 500, error }), { level: 50, code: 'InternalError', err: { message: 'the line is gone' } });
  t.match(lineOf({ status: 206, error }), { level: 50, code: 'InternalError', err: { message: 'the line is gone' } });
});

t.test('what a client asked wrongly, or did not wait for, is none', async (t) => {
  const refused = lineOf({ status: 404, error: new S3Error('NoSuchKey') });
  t.match(refused, { level: 30, code: 'NoSuchKey' });
  t.notHas(refused, { err: {} });
  t.match(lineOf({ status: 304, error: new S3Error('NotModified') }), { level: 30 });
  t.match(lineOf({ status: 501, error: new S3Error('NotImplemented') }), { level: 30 });
  const left = lineOf({ status: 0, error: new Error('aborted'), isClientGone: true });
  t.match(left, { level: 30, isClientGone: true });
  t.notHas(left, { code: '' });
  t.match(lineOf({ status: 200, error: new Error('aborted'), isClientGone: true }), { level: 30 });
});
