import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { Test } from 'tap';
import { createTransport } from '../../src/http/transport.ts';
import { type AzureAccount, resolveAccount } from '../../src/store/azure/account.ts';
import { openAzureStore } from '../../src/store/azure/store.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';

/** The account that Azurite has, and its key, which is published with it. */
export const AZURITE_ACCOUNT = 'devstoreaccount1';
export const AZURITE_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export interface Azurite {
  readonly port: number;
  /** host:port/account, as a configuration has it. */
  readonly endpoint: string;
  /** For `@azure/storage-blob`. */
  readonly connectionString: string;
  stop(): Promise<void>;
}

/** A test run that is killed closes the pipe, and leaves nothing running. */
const UNTIL_PARENT_ENDS = "process.stdin.resume().on('close', () => process.exit()); require(process.argv[1]);";

/** Starts an Azurite of its own on a free port, which keeps everything in memory. */
export async function startAzurite(): Promise<Azurite> {
  const main = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');
  const args = ['--inMemoryPersistence', '--disableTelemetry', '--silent', '--skipApiVersionCheck'];
  const script = [UNTIL_PARENT_ENDS, main, ...args, '--blobHost', '127.0.0.1', '--blobPort', '0'];
  const child = spawn(process.execPath, ['-e', ...script], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const exited = once(child, 'close');
  const portOf = () => /successfully listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1];
  while (portOf() === undefined) {
    await Promise.race([once(child.stdout, 'data'), exited]);
    if (child.exitCode !== null) throw new Error(`Azurite ended: ${output}`);
  }
  const port = Number(portOf());
  const endpoint = `127.0.0.1:${port}/${AZURITE_ACCOUNT}`;
  return {
    port,
    endpoint,
    connectionString: `DefaultEndpointsProtocol=http;AccountName=${AZURITE_ACCOUNT};AccountKey=${AZURITE_KEY};BlobEndpoint=http://${endpoint};`,
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Azurite for one test file, ended with it. */
export async function testAzurite(t: Pick<Test, 'teardown'>): Promise<Azurite> {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  return azurite;
}

export function azuriteAccount({ endpoint }: Pick<Azurite, 'endpoint'>): AzureAccount {
  return resolveAccount({ protocol: 'http', endpoint, account: AZURITE_ACCOUNT, accountKey: AZURITE_KEY });
}

/** A store on an account, closed with the test; what it logs is kept. */
export function testAzureStore(
  t: Pick<Test, 'teardown'>,
  account: AzureAccount,
  { retries = 0 }: { readonly retries?: number } = {},
): { readonly store: ObjectStore; readonly log: string[] } {
  const log: string[] = [];
  const keep = (fields: object, message: string): void => {
    log.push(`${message} ${JSON.stringify(fields)}`);
  };
  const store = openAzureStore({
    account,
    transport: createTransport(),
    now: () => new Date(),
    log: { warn: keep, error: keep },
    retries,
  });
  t.teardown(() => store.close());
  return { store, log };
}
