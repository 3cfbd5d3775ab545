import { Readable } from 'node:stream';
import t from 'tap';
import { breaker } from '../../../src/layers/breaker.ts';
import { S3Error } from '../../../src/s3/error.ts';
import { TransportFailure } from '../../../src/s3/failure.ts';
import type { S3Response } from '../../../src/s3/message.ts';
import { s3Request } from '../../support/s3-request.ts';

const OK: S3Response = { status: 200, headers: new Map(), body: null };
const failure = (phase: 'connect' | 'exchange', code = 'ECONNREFUSED') =>
  new S3Error('ServiceUnavailable', { cause: new TransportFailure(phase, code, undefined) });

function start() {
  let time = 0;
  let calls = 0;
  let outcome: () => Promise<S3Response> = async () => OK;
  const handler = breaker({ now: () => time })(() => {
    calls++;
    return outcome();
  });
  return {
    ask: (body: Readable | null = null) => handler(s3Request({ method: 'PUT', bucket: 'b', key: 'k', body })),
    answer: (next: () => Promise<S3Response>) => {
      outcome = next;
    },
    pass: (milliseconds: number) => {
      time += milliseconds;
    },
    calls: () => calls,
  };
}

t.test('R01 after five failed connections nobody waits for a sixth, for a second', async (t) => {
  const storage = start();
  storage.answer(() => Promise.reject(failure('connect')));
  for (let count = 0; count < 5; count++) await t.rejects(storage.ask());
  t.equal(storage.calls(), 5);
  const body = new Readable({ read() {} });
  const refused = await storage.ask(body).catch((error: unknown) => error);
  t.ok(refused instanceof S3Error && refused.status === 503 && refused.headers?.get('retry-after') === '1');
  t.equal(storage.calls(), 5, 'not tried');
  t.ok(body.destroyed);

  storage.pass(1000);
  const { promise, reject: end } = Promise.withResolvers<S3Response>();
  storage.answer(() => promise);
  const ahead = storage.ask();
  await t.rejects(storage.ask(), { code: 'ServiceUnavailable' });
  t.equal(storage.calls(), 6, 'one goes ahead');
  end(failure('connect'));
  await t.rejects(ahead);
  await t.rejects(storage.ask());
  t.equal(storage.calls(), 6);

  storage.pass(1000);
  storage.answer(async () => OK);
  await storage.ask();
  await storage.ask();
  t.equal(storage.calls(), 8, 'it is back');
});

t.test('what else goes wrong does not count', async (t) => {
  for (const error of [failure('exchange'), new S3Error('SlowDown'), failure('connect', 'ENOTFOUND')]) {
    const storage = start();
    storage.answer(() => Promise.reject(error));
    for (let count = 0; count < 10; count++) await t.rejects(storage.ask(), error);
    t.equal(storage.calls(), 10);
  }
});
