import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { mock } from 'node:test';
import t from 'tap';
import { ProgressWatch } from '../../src/http/progress.ts';

/** A connection whose counters the test moves. */
function exchange() {
  const socket = { bytesRead: 0, bytesWritten: 0, isDestroyed: false, destroy: () => undefined as unknown };
  socket.destroy = () => {
    socket.isDestroyed = true;
  };
  const message = Object.assign(new EventEmitter(), { socket, complete: false, readableFlowing: true });
  const response = { writableLength: 0 };
  // The watch reads these few fields only.
  return { socket, message, response, pair: [message, response] as unknown as [IncomingMessage, ServerResponse] };
}

t.beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }));
t.afterEach(() => mock.timers.reset());

t.test('an upload that began just before the watch looks has its whole time', async (t) => {
  const watch = new ProgressWatch({ idleMs: 30_000, minBytes: 30_720 });
  mock.timers.tick(29_999);
  const { pair, socket } = exchange();
  let stalled = 0;
  watch.watch(...pair, () => {
    stalled += 1;
  });
  mock.timers.tick(29_000);
  t.equal(stalled, 0, 'was cut off after a millisecond');
  socket.bytesRead = 40_000;
  mock.timers.tick(32_000);
  t.equal(stalled, 0, 'it did bring enough');
  mock.timers.tick(40_000);
  t.equal(stalled, 1, 'R15 now it stands still');
  watch.close();
});

t.test('an upload that we did not wait for is not stalled', async (t) => {
  const watch = new ProgressWatch({ idleMs: 30_000, minBytes: 30_720 });
  const { pair, message } = exchange();
  let stalled = 0;
  watch.watch(...pair, () => {
    stalled += 1;
  });
  for (let round = 0; round < 4; round += 1) {
    message.readableFlowing = false;
    mock.timers.tick(29_000);
    message.readableFlowing = true;
    mock.timers.tick(6_000);
  }
  t.equal(stalled, 0);
  watch.close();
});

t.test('D02 R14 a client that does not read is cut off, after its whole time', async (t) => {
  const watch = new ProgressWatch({ idleMs: 30_000, minBytes: 30_720 });
  const { pair, message, response, socket } = exchange();
  message.complete = true;
  mock.timers.tick(29_999);
  watch.watch(...pair, () => t.fail('the upload is over'));
  response.writableLength = 65_536;
  mock.timers.tick(29_000);
  t.notOk(socket.isDestroyed, 'was cut off after a millisecond');
  socket.bytesWritten = 1;
  mock.timers.tick(29_000);
  t.notOk(socket.isDestroyed, 'it reads slowly');
  mock.timers.tick(10_000);
  t.ok(socket.isDestroyed);
  watch.close();
});
