import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';

/** What an opaque token is good for: nowhere else is it accepted. */
export interface TokenScope {
  readonly kind: 'upload' | 'continuation';
  /** Opaque name of the calling tenant. */
  readonly tenant: string;
  readonly storage: string;
  /** The storage's bucket, not the client's. */
  readonly bucket: string;
  /** The storage's key of an upload, or its prefix of a listing. */
  readonly place: string;
}

export interface Tokens {
  /** Hides a storage's token. The same token in the same scope always gives the same text, of `A-Za-z0-9-_` only. */
  wrap(token: string, scope: TokenScope): string;
  /** The storage's token; undefined when this was not made by `wrap` in this very scope. */
  unwrap(wrapped: string, scope: TokenScope): string | undefined;
}

const IV_BYTES = 16;

/**
 * Tokens of storages as clients see them: encrypted, since they may hold a vendor's bucket or prefix, and bound to
 * their scope. It is a synthetic-IV cipher (RFC 5297's construction, with HMAC-SHA256 in place of CMAC): the MAC over
 * scope and token is the IV of AES-256-CTR, hence both stable and unforgeable.
 * @param key any secret that stays the same over restarts; ids given out before are useless under another
 */
export function createTokens(key: KeyObject): Tokens {
  const macKey = derive(key, 'sluice token mac');
  const cipherKey = derive(key, 'sluice token cipher');
  const macOf = (token: Uint8Array, scope: TokenScope): Buffer => {
    const { kind, tenant, storage, bucket, place } = scope;
    const mac = createHmac('sha256', macKey);
    mac
      .update(JSON.stringify([kind, tenant, storage, bucket, place]))
      .update('\0')
      .update(token);
    return mac.digest().subarray(0, IV_BYTES);
  };
  return {
    wrap: (token, scope) => {
      const bytes = Buffer.from(token);
      const iv = macOf(bytes, scope);
      const cipher = createCipheriv('aes-256-ctr', cipherKey, iv);
      return Buffer.concat([iv, cipher.update(bytes), cipher.final()]).toString('base64url');
    },
    unwrap: (wrapped, scope) => {
      const bytes = Buffer.from(wrapped, 'base64url');
      // Node's decoder passes over foreign characters; one id must have one spelling.
      if (bytes.byteLength <= IV_BYTES || bytes.toString('base64url') !== wrapped) return undefined;
      const iv = bytes.subarray(0, IV_BYTES);
      const decipher = createDecipheriv('aes-256-ctr', cipherKey, iv);
      const token = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES)), decipher.final()]);
      return timingSafeEqual(iv, macOf(token, scope)) ? token.toString() : undefined;
    },
  };
}

function derive(key: KeyObject, purpose: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', key, '', purpose, 32)));
}
