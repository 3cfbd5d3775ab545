import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Certificate {
  /** PEM, and the files that hold it. */
  readonly key: string;
  readonly cert: string;
  readonly keyFile: string;
  readonly certFile: string;
}

/**
 * Makes a key and a certificate for one name and those below it, signed by itself, in a folder; needs the program `openssl`.
 * @param days until it expires; a negative number for one that has
 */
export async function selfSigned(folder: string, name: string, days = 2): Promise<Certificate> {
  const keyFile = join(folder, 'key.pem');
  const certFile = join(folder, 'cert.pem');
  const request = join(folder, 'request.pem');
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name},DNS:*.${name}`];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await run('openssl', ['req', '-new', ...curve, ...subject, '-keyout', keyFile, '-out', request]);
  const validity = ['-days', String(days), '-copy_extensions', 'copy'];
  await run('openssl', ['x509', '-req', '-in', request, '-signkey', keyFile, ...validity, '-out', certFile]);
  return { key: await readFile(keyFile, 'utf8'), cert: await readFile(certFile, 'utf8'), keyFile, certFile };
}
