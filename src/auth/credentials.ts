import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

export type SignatureVersion = 'v4' | 'v2';

/** A local credential: who may call the gateway. It is never a vendor's. */
export interface Credential {
  readonly name: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** The signature versions this caller may use. */
  readonly signatures: readonly SignatureVersion[];
}

/** Finds a credential by its access key. Called once a request, so it should be a map lookup. */
export type CredentialLookup = (accessKey: string) => Credential | undefined;

/** What an unknown access key is checked with, so that it takes the time of a bad signature. */
export const UNKNOWN_CREDENTIAL: Credential = {
  name: '',
  accessKey: '',
  secretKey: 'the key of nobody: no signature made with it is ever accepted',
  signatures: ['v4', 'v2'],
};

/** Day, region and service that a V4 key is derived for. */
export interface Scope {
  /** yyyymmdd */
  readonly day: string;
  readonly region: string;
}

const MAX_KEYS = 4096;

interface CachedKey {
  readonly secretKey: string;
  readonly key: KeyObject;
}

/**
 * Derived signing keys, ready for HMAC. Deriving takes four HMACs and building a key object is the slow part of
 * a HMAC, so both are kept; the oldest goes when there are too many. A changed secret is derived anew.
 */
export class SigningKeys {
  readonly #keys = new Map<string, CachedKey>();
  readonly #limit: number;

  constructor(limit: number = MAX_KEYS) {
    this.#limit = limit;
  }

  /** https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html (signing key) */
  v4(credential: Credential, scope: Scope): KeyObject {
    return this.#get(`4 ${credential.accessKey} ${scope.day} ${scope.region}`, credential, () =>
      createSecretKey(deriveV4Key(credential.secretKey, scope)),
    );
  }

  v2(credential: Credential): KeyObject {
    return this.#get(`2 ${credential.accessKey}`, credential, () => createSecretKey(credential.secretKey, 'utf8'));
  }

  #get(name: string, credential: Credential, derive: () => KeyObject): KeyObject {
    const cached = this.#keys.get(name);
    if (cached?.secretKey === credential.secretKey) return cached.key;
    const key = derive();
    this.#keys.delete(name);
    if (this.#keys.size >= this.#limit) {
      const oldest = this.#keys.keys().next();
      if (!oldest.done) this.#keys.delete(oldest.value);
    }
    this.#keys.set(name, { secretKey: credential.secretKey, key });
    return key;
  }
}

function deriveV4Key(secretKey: string, scope: Scope): Buffer {
  const parts = [scope.day, scope.region, 's3', 'aws4_request'];
  return parts.reduce(
    (key: Buffer, part) => createHmac('sha256', key).update(part, 'utf8').digest(),
    Buffer.from(`AWS4${secretKey}`, 'utf8'),
  );
}
