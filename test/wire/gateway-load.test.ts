import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../support/gateway.ts';
import { exchange } from '../support/raw-socket.ts';
import { presign, signHeader } from '../support/slow-verifier.ts';

/** Many clients, slow clients, and a clock that goes on. */

const CALLER = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY };

async function start(t: Test, now?: () => Date) {
  const config = `${CREDENTIALS}
storages: [{ name: local, provider: filesystem, path: ${JSON.stringify(t.testdir())}, default: true }]
`;
  const gateway = await startTestGateway(config, now === undefined ? {} : { now });
  t.teardown(() => gateway.close());
  const host = `127.0.0.1:${gateway.port}`;
  const signed = (method: string, target: string, time = new Date()) => {
    const { headers } = signHeader({ method, target, headers: { host } }, { ...CALLER, time });
    return headers;
  };
  const call = (method: string, target: string, time?: Date) => {
    const lines = Object.entries(signed(method, target, time)).map(([name, value]) => `${name}: ${value}\r\n`);
    const length = method === 'PUT' ? 'content-length: 0\r\n' : '';
    return exchange(gateway.port, `${method} ${target} HTTP/1.1\r\n${lines.join('')}${length}\r\n`);
  };
  t.equal((await call('PUT', '/bkt', now?.())).status, 200);
  return { gateway, host, signed, call };
}

t.test('D01 D02 hundreds of slow clients keep nobody waiting', async (t) => {
  const { gateway, host, call } = await start(t);
  const url = presign({ method: 'PUT', target: '/bkt/slow', headers: { host } }, { ...CALLER, time: new Date() });
  const heads = [
    'GET /bkt/k HTTP/1.1\r\nHo',
    `PUT ${url.target} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 1000000\r\n\r\nx`,
  ];
  const sockets = await Promise.all(
    Array.from({ length: 400 }, async (_, index) => {
      const socket = connect(gateway.port, '127.0.0.1');
      t.teardown(() => socket.destroy());
      await once(socket, 'connect');
      socket.write(heads[index % heads.length] ?? '');
      return socket;
    }),
  );
  for (let round = 0; round < 20; round += 1) t.equal((await call('GET', '/bkt')).status, 200);
  t.ok(
    sockets.every((socket) => !socket.closed),
    'nor are they cut off at once',
  );
});

t.test('D07 D17 thousands of requests on few connections leave no listener and no timer', async (t) => {
  const { gateway, signed } = await start(t);
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  t.teardown(() => void process.off('warning', onWarning));
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  t.teardown(() => agent.destroy());
  const headers = signed('GET', '/bkt');
  const ask = async () => {
    const [answer] = await once(get(`${gateway.url}/bkt`, { agent, headers }), 'response');
    answer.resume();
    await once(answer, 'end');
    return answer.statusCode;
  };
  const statuses = new Set<number | undefined>();
  const many = async (count: number) => {
    const loop = async () => {
      for (let done = 0; done < count / 4; done += 1) statuses.add(await ask());
    };
    await Promise.all([loop(), loop(), loop(), loop()]);
  };
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  await many(200);
  const before = timers();
  await many(2000);
  t.ok(timers() <= before + 4, `${before} timers, then ${timers()}`);
  t.same(warnings, []);
  t.same([...statuses], [200]);
  const listeners = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
  t.ok(listeners.length <= 4, 'the connections were used again');
});

t.test('P16 a transfer under way is not cut off when its URL or its date expires', async (t) => {
  let time = new Date();
  const { gateway, host, call } = await start(t, () => time);
  const by = { ...CALLER, time };
  const url = presign({ method: 'PUT', target: '/bkt/k', headers: { host } }, { ...by, expires: 60 });
  const socket = connect(gateway.port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.write(`PUT ${url.target} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n`);
  t.match(String((await once(socket, 'data'))[0]), '100 Continue');
  socket.write('first');
  time = new Date(time.getTime() + 24 * 3_600_000);
  socket.write('later');
  t.match(String((await once(socket, 'data'))[0]), 'HTTP/1.1 200 OK');
  const again = await exchange(
    gateway.port,
    `PUT ${url.target} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 0\r\n\r\n`,
  );
  t.equal(again.code, 'AccessDenied', 'the next one is');
  t.equal((await call('GET', '/bkt/k', time)).text.split('\r\n\r\n')[1], 'firstlater');
});
