import { pino } from 'pino';
import type { Test } from 'tap';
import { parseConfig } from '../../src/config/load.ts';
import { Generation } from '../../src/generation.ts';
import type { Handler } from '../../src/s3/message.ts';
import { ACCESS_KEY } from './gateway.ts';

/**
 * Everything that a configuration makes but the server and the signatures: each request counts as signed by the
 * credential of `CREDENTIALS`. Closed with the test.
 * @param yaml as users write it
 */
export async function configuredHandler(t: Pick<Test, 'teardown'>, yaml: string): Promise<Handler> {
  const config = parseConfig(yaml, 'test', { env: {}, readFile: (path) => path });
  const identity = { name: 'test', accessKey: ACCESS_KEY };
  const generation = await Generation.open(
    config,
    {
      log: pino({ level: 'silent' }),
      now: () => new Date(),
      authenticate: () => (next) => (request) => next({ ...request, identity }),
      cache: async () => undefined,
    },
    undefined,
  );
  t.teardown(() => generation.retire());
  return generation.settings.handler;
}
