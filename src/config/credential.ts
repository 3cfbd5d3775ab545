import { randomBytes } from 'node:crypto';

/** A new key for clients: characters that need no quotes in a shell, in a URL or in YAML. */
export function newCredential(): { readonly accessKey: string; readonly secretKey: string } {
  return { accessKey: `SLUICE${randomCharacters(14)}`, secretKey: randomBytes(30).toString('base64url') };
}

/** Upper-case letters and digits without those that look alike. */
function randomCharacters(length: number): string {
  const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
  return [...randomBytes(length)].map((byte) => alphabet[byte % alphabet.length]).join('');
}
