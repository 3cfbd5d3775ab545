import { pino } from 'pino';
import { parseConfig } from '../../src/config/load.ts';
import { type Gateway, startGateway } from '../../src/gateway.ts';
import { describeError } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';

/** The credential that `startTestGateway` knows unless its configuration lists others. */
export const ACCESS_KEY = 'TESTACCESSKEY';
export const SECRET_KEY = 'test-secret-key-of-no-value';
export const CREDENTIALS = `credentials: [{ name: test, accessKey: ${ACCESS_KEY}, secretKey: ${SECRET_KEY}, signatures: [v4, v2] }]`;

export interface TestGateway extends Gateway {
  readonly port: number;
  /** Every log line so far, as text. */
  log(): string;
}

/**
 * A whole gateway on free ports, in this process.
 * @param yaml the configuration without `listen` and `admin`
 */
export async function startTestGateway(
  yaml: string,
  { now = () => new Date() }: { readonly now?: () => Date } = {},
): Promise<TestGateway> {
  const lines: string[] = [];
  const config = parseConfig(`listen: 127.0.0.1:0\nadmin: { listen: "127.0.0.1:0" }\n${yaml}`, 'test', {
    env: {},
    readFile: (path) => {
      throw new Error(`no file ${path} in this test`);
    },
  });
  const gateway = await startGateway({
    config,
    log: pino(
      { level: 'debug', base: null, serializers: { err: describeError } },
      { write: (line: string) => void lines.push(line) },
    ),
    metrics: createMetrics('test'),
    now,
    adminToken: 'admin-token-of-the-tests',
  });
  return { ...gateway, port: Number(gateway.url.split(':').at(-1)), log: () => lines.join('') };
}
