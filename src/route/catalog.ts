import type { KeyObject } from 'node:crypto';
import type { Handler, Identity } from '../s3/message.ts';
import type { Access } from '../s3/operation.ts';
import { matchesGlob } from './glob.ts';
import { type Pool, poolBucket, poolBuckets } from './pool.ts';
import { createTokens, type Tokens } from './tokens.ts';

export type Action = Exclude<Access, 'admin'>;

export interface AccessRule {
  /** Bucket name as clients write it; `*` and `?` are wildcards. */
  readonly bucket: string;
  /** Only keys that begin with this. */
  readonly prefix?: string;
  readonly allow: readonly Action[];
}

export interface Credential {
  readonly name: string;
  readonly accessKey: string;
  /** Without one it sees the storages that are open to all projects. */
  readonly project?: string | undefined;
  /** Its own default storage. */
  readonly storage?: string | undefined;
  /** Undefined: everything its project can reach. An empty list: nothing. */
  readonly access?: readonly AccessRule[] | undefined;
}

export interface Storage {
  readonly name: string;
  readonly handler: Handler;
  /** The one bucket used here. */
  readonly bucket?: string | undefined;
  /** Goes before every key, also before the prefix of a bucket entry. */
  readonly prefix?: string | undefined;
  readonly default?: boolean | undefined;
  readonly projects: 'all' | readonly string[];
  /** Keys with `.` and `..` segments; refused unless said otherwise. */
  readonly dotSegments?: 'refuse' | 'allow' | undefined;
  /** `redirect`: may answer large reads with a redirect, where no header was signed; `redirect-all`: any. */
  readonly delivery?: 'proxy' | 'redirect' | 'redirect-all' | undefined;
  /** Secret that this storage's upload ids and list tokens are bound with; the same over restarts. */
  readonly tokenKey: KeyObject;
}

export interface BucketEntry {
  readonly name: string;
  readonly storage: string;
  /** The storage's bucket; else the storage's own `bucket`, else the same name. */
  readonly bucket?: string | undefined;
  readonly prefix?: string | undefined;
  readonly anonymous?: 'read' | undefined;
  readonly cache?: string | undefined;
  readonly pool?: Pool | undefined;
}

/** Where the objects of a client's bucket are: everything a later step needs to know. */
export interface Target {
  /** The rule that found it: a `buckets` entry, a storage's own `bucket`, or a default storage. */
  readonly rule: 'entry' | 'storage-bucket' | 'default';
  readonly storage: string;
  readonly handler: Handler;
  /** As clients write it. */
  readonly clientBucket: string;
  /** As the storage knows it. Of a pooled entry: the unpooled one. */
  readonly bucket: string;
  /** Goes before every key of the client. */
  readonly prefix: string;
  readonly dotSegments: 'refuse' | 'allow';
  readonly delivery: 'proxy' | 'redirect' | 'redirect-all';
  readonly anonymous: 'read' | undefined;
  /** Name of the cache rule set, of a `buckets` entry only. */
  readonly cache: string | undefined;
  readonly pool: Pool | undefined;
  /** Hides and binds the storage's upload ids and list tokens. */
  readonly tokens: Tokens;
  /** One bucket of a pooled entry: the name that clients use never stands alone for it. */
  readonly isPooled: boolean;
}

/** Who calls, with the rules that bind it. Undefined `credential`: nobody signed. */
export interface Caller {
  readonly credential: Credential | undefined;
  /** Opaque tokens of one tenant are useless to another. Credentials of one project are one tenant. */
  readonly tenant: string;
}

export interface CatalogInput {
  readonly credentials: readonly Credential[];
  readonly storages: readonly Storage[];
  readonly buckets: readonly BucketEntry[];
}

/** One configuration's view of who may reach what. Immutable; made anew at each reload. */
export interface Catalog {
  /** The caller behind an identity. Undefined when no credential of this configuration has its access key. */
  caller(identity: Identity | undefined): Caller | undefined;
  /** Where a bucket's objects are for this caller, by the four rules; access rules are not looked at. */
  target(caller: Caller, bucket: string): Target | undefined;
  /** The buckets with a name of their own that the caller's project sees: entries and storages' own buckets. */
  named(caller: Caller): Target[];
  /** The storage that answers for all other names. */
  defaultStorage(caller: Caller): Storage | undefined;
  /** Whether some storage is hidden from the caller's project. */
  isPartial(caller: Caller): boolean;
}

/**
 * Builds the lookups, once per configuration. They cost the same for ten and for thousands of credentials and buckets.
 * @throws Error when a bucket entry or credential names a storage that does not exist
 */
export function buildCatalog(input: CatalogInput): Catalog {
  const storages = new Map(
    input.storages.map((storage) => [
      storage.name,
      { ...storage, sees: seenBy(storage), tokens: createTokens(storage.tokenKey) },
    ]),
  );
  const marked = [...storages.values()].find((storage) => storage.default === true);
  const callers = new Map(input.credentials.map((credential) => [credential.accessKey, callerOf(credential)]));
  const entries = new Map<string, Seen[]>();
  const ownBuckets = new Map<string, Seen[]>();
  for (const entry of input.buckets) {
    const storage = storageNamed(storages, entry.storage, `bucket ${entry.name}`);
    append(entries, entry.name, { target: entryTarget(entry, storage), sees: storage.sees });
  }
  for (const storage of storages.values()) {
    if (storage.bucket === undefined) continue;
    const target = storageTarget(storage, storage.bucket, 'storage-bucket');
    append(ownBuckets, storage.bucket, { target, sees: storage.sees });
  }
  for (const { name, storage } of input.credentials) {
    if (storage !== undefined) storageNamed(storages, storage, `credential ${name}`);
  }

  const sees = (caller: Caller, seen: SeenBy): boolean => caller.credential === undefined || seen(caller.credential);
  const find = (from: ReadonlyMap<string, readonly Seen[]>, caller: Caller, bucket: string): Target | undefined => {
    const visible = (from.get(bucket) ?? []).filter((item) => sees(caller, item.sees));
    // Nobody has no project: of several buckets with one name it means the one that is open to all.
    const preferred = visible.find(({ target }) =>
      caller.credential === undefined ? target.anonymous === 'read' : target.storage === caller.credential.storage,
    );
    return (preferred ?? visible[0])?.target;
  };
  const defaultStorage = (caller: Caller): KnownStorage | undefined => {
    if (caller.credential === undefined) return undefined;
    const chosen = caller.credential.storage === undefined ? marked : storages.get(caller.credential.storage);
    return chosen?.bucket === undefined && chosen?.sees(caller.credential) ? chosen : undefined;
  };
  const target = (caller: Caller, bucket: string): Target | undefined => {
    const named = find(entries, caller, bucket) ?? find(ownBuckets, caller, bucket);
    if (named !== undefined) return named;
    const storage = defaultStorage(caller);
    return storage && storageTarget(storage, bucket, 'default');
  };
  return {
    caller: (identity) => (identity === undefined ? ANONYMOUS : callers.get(identity.accessKey)),
    target,
    named: (caller) =>
      [...new Set([...entries.keys(), ...ownBuckets.keys()])].flatMap((bucket) => {
        const found = find(entries, caller, bucket) ?? find(ownBuckets, caller, bucket);
        return found === undefined ? [] : [found];
      }),
    defaultStorage,
    isPartial: (caller) => [...storages.values()].some((storage) => !sees(caller, storage.sees)),
  };
}

/** The place of one key: of a pooled entry, the bucket that its formula says. */
export function targetOfKey(target: Target, key: string): Target {
  const bucket = target.pool === undefined ? undefined : poolBucket(target.pool, key);
  return bucket === undefined ? unpooled(target) : { ...target, bucket, pool: undefined };
}

/** Every bucket behind a pooled entry: the unpooled one first. */
export function targetsOfPool(target: Target, pool: Pool): Target[] {
  return [unpooled(target), ...poolBuckets(pool).map((bucket) => ({ ...target, bucket, pool: undefined }))];
}

export function unpooled(target: Target): Target {
  return target.pool === undefined ? target : { ...target, pool: undefined };
}

/** Whether names differ between client and storage, so that messages must be rewritten. */
export function isRewritten(target: Target): boolean {
  return target.prefix !== '' || target.bucket !== target.clientBucket || target.isPooled;
}

/** Whether the caller may do this to one key, or list below one prefix. */
export function mayTouch(caller: Caller, action: Action, bucket: string, keyOrPrefix: string): boolean {
  return hasRule(
    caller,
    (rule) =>
      rule.allow.includes(action) && keyOrPrefix.startsWith(rule.prefix ?? '') && matchesGlob(rule.bucket, bucket),
  );
}

/** Whether any rule lets the caller do anything in this bucket, or one of `actions` when given. */
export function mayKnow(caller: Caller, bucket: string, actions?: readonly Action[]): boolean {
  return hasRule(
    caller,
    ({ bucket: pattern, allow }) =>
      matchesGlob(pattern, bucket) &&
      (actions === undefined ? allow.length > 0 : allow.some((action) => actions.includes(action))),
  );
}

/** Nobody has no rules and may nothing; a credential without any may everything. */
function hasRule({ credential }: Caller, fits: (rule: AccessRule) => boolean): boolean {
  return credential !== undefined && (credential.access === undefined || credential.access.some(fits));
}

/** Whether the caller may do all that its project can: only such a caller administers buckets. */
export function isUnrestricted(caller: Caller): boolean {
  return caller.credential !== undefined && caller.credential.access === undefined;
}

type KnownStorage = Storage & { readonly sees: SeenBy; readonly tokens: Tokens };
type SeenBy = (credential: Credential) => boolean;
interface Seen {
  readonly target: Target;
  readonly sees: SeenBy;
}

const ANONYMOUS: Caller = { credential: undefined, tenant: 'anonymous' };

function seenBy({ projects }: Storage): SeenBy {
  if (projects === 'all') return () => true;
  const names = new Set(projects);
  return ({ project }) => project !== undefined && names.has(project);
}

function callerOf(credential: Credential): Caller {
  const { project, name } = credential;
  return { credential, tenant: project === undefined ? `credential ${name}` : `project ${project}` };
}

function entryTarget(entry: BucketEntry, storage: KnownStorage): Target {
  return {
    ...storageTarget(storage, entry.name, 'entry'),
    bucket: entry.bucket ?? storage.bucket ?? entry.name,
    prefix: `${storage.prefix ?? ''}${entry.prefix ?? ''}`,
    anonymous: entry.anonymous,
    cache: entry.cache,
    pool: entry.pool,
    isPooled: entry.pool !== undefined,
  };
}

function storageTarget(storage: KnownStorage, bucket: string, rule: Target['rule']): Target {
  return {
    rule,
    storage: storage.name,
    handler: storage.handler,
    clientBucket: bucket,
    bucket,
    prefix: storage.prefix ?? '',
    dotSegments: storage.dotSegments ?? 'refuse',
    delivery: storage.delivery ?? 'proxy',
    tokens: storage.tokens,
    anonymous: undefined,
    cache: undefined,
    pool: undefined,
    isPooled: false,
  };
}

function storageNamed<T>(storages: ReadonlyMap<string, T>, name: string, user: string): T {
  const storage = storages.get(name);
  if (storage === undefined) throw new Error(`${user}: no storage is named ${name}`);
  return storage;
}

function append(map: Map<string, Seen[]>, name: string, item: Seen): void {
  const items = map.get(name);
  if (items === undefined) map.set(name, [item]);
  else items.push(item);
}
