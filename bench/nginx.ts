import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { start } from './processes.ts';

export interface NginxOptions {
  /** Where its configuration and temporary files go. */
  readonly folder: string;
  readonly name: string;
  /** What stands in its one `server`. */
  readonly server: string;
  /** What stands beside that in `http`. */
  readonly http?: string;
  readonly sendfile?: 'on' | 'off';
}

/** Starts nginx with one worker, and resolves when it listens. */
export function startNginx({ folder, name, server, http = '', sendfile = 'on' }: NginxOptions): Promise<ChildProcess> {
  const path = join(folder, `${name}.conf`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${name}-${kind};`,
  );
  writeFileSync(
    path,
    `user root; daemon off; worker_processes 1; pid ${folder}/${name}.pid; error_log stderr notice;
events { worker_connections 512; }
http { access_log off; sendfile ${sendfile}; tcp_nopush on; keepalive_requests 100000000; ${temporary.join(' ')} ${http}
  server { ${server} } }
`,
  );
  return start('nginx', ['-c', path], /start worker/);
}

/** A port of 127.0.0.1 that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
