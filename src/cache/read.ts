import { dropBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import type { S3Response } from '../s3/message.ts';
import { answerHead, RESULT_HEADER } from './answer.ts';
import { ask, fillOf } from './ask.ts';
import { isLineDown } from './breaker.ts';
import { describe, isSameVersion, markIn, markOf } from './description.ts';
import type { KeyState } from './key-state.ts';
import { atPace, createOrigin, isAbsent, type Origin, toStream } from './origin.ts';
import type { Rule } from './rules.ts';
import { serveAtOnce, serveFill, serveStored } from './serve.ts';
import type { Call, Shared } from './shared.ts';
import { noteHead, noteShown, questionOf } from './sights.ts';
import type { Stored } from './store.ts';

/** What was on its way may be overtaken, or kept bytes turn out damaged; then all is asked again, so often. */
const ATTEMPTS = 3;

/**
 * Answers a GetObject or HeadObject, out of the cache where its rule allows.
 * @throws S3Error as the storage would, or ServiceUnavailable at once while the line is down
 */
export async function readObject(call: Call, shared: Shared): Promise<S3Response> {
  const atOnce = answerAtOnce(call, shared);
  if (atOnce !== undefined) return atOnce;
  const { request, id } = call;
  const state = shared.states.hold(id);
  const origin = originOf(call, shared);
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const response =
        request.method === 'HEAD'
          ? await headOnce(call, state, origin, shared)
          : await getOnce(call, state, origin, shared);
      if (response !== undefined) return response;
    }
    return await passBy(call, state, shared);
  } finally {
    shared.states.release(id);
  }
}

/**
 * The answer of a rule that does not ask, out of memory: by far the most frequent one where compiler objects are cached,
 * so it is made without waiting for anything.
 */
function answerAtOnce(call: Call, shared: Shared): S3Response | undefined {
  const { request, id, rule } = call;
  const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
  const stored = shared.store.find(id);
  if (stored === undefined || !isTrusted(stored, rule, method, shared.now)) return undefined;
  if (!mayServeUnasked(request.headers.get('cache-control'))) return undefined;
  const response = serveAtOnce(stored, call, shared);
  if (response !== undefined && method === 'GET') maybeVerify(stored, call, shared);
  return response;
}

function originOf({ request, next, name }: Call, { breakerOf, signal }: Shared): Origin {
  return createOrigin({ next, request, breaker: breakerOf(name.place), signal });
}

/** Sends the request on as it is; nothing is kept. But nothing older than what it shows may come back later. */
async function passBy({ next, request, id }: Call, state: KeyState, { store }: Shared): Promise<S3Response> {
  const question = questionOf(state);
  const { status, headers, body } = await next(request).catch(async (error: unknown) => {
    // Whatever version it says that of, what is here is not known to be the one.
    if (isOfObject(error)) await noteShown(state, { id, question, shown: undefined }, store);
    throw error;
  });
  await noteShown(state, { id, question, shown: markIn(headers) }, store);
  const { pace } = request;
  const own = pace === undefined || body === null ? body : atPace(toStream(body), pace);
  return { status, headers: new Map(headers).set(RESULT_HEADER, 'miss'), body: own };
}

/** Whether a refusal says something of the object: that it is absent, unchanged, another, or shorter. */
function isOfObject(error: unknown): boolean {
  return error instanceof S3Error && [304, 404, 412, 416].includes(error.status);
}

/** Undefined: something changed under way, try again. */
async function getOnce(call: Call, state: KeyState, origin: Origin, shared: Shared): Promise<S3Response | undefined> {
  const { rule, request, id, name } = call;
  const { store } = shared;
  const mayServe = mayServeUnasked(request.headers.get('cache-control'));
  // A rule that does not ask may use what others asked for before.
  if (mayServe && joinsUnasked(rule) && store.find(id) === undefined && state.asking !== undefined) {
    await state.asking.catch(() => undefined);
  }
  const stored = store.find(id);
  if (mayServe && stored !== undefined && isTrusted(stored, rule, 'GET', shared.now)) {
    const response = await serveStored(stored, call, 'hit', { origin, shared });
    if (response !== undefined) maybeVerify(stored, call, shared);
    return response;
  }
  const filling = fillOf(state);
  const isJoined = state.fill !== undefined && needsNoAsking(state.fill.askedAt, rule, shared.now);
  if (mayServe && filling !== undefined && isJoined) {
    return serveFill(filling, call, 'hit', origin);
  }
  if (rule.mode === 'exclusive' && mayServe && shared.absent.has(id)) throw knownAbsent(request.key);
  if (shared.uncacheable.has(id)) return passBy(call, state, shared);
  if (shared.breakerOf(name.place).isOpen) return whileDown(call, origin, shared);
  try {
    const outcome = await ask(state, call, origin, shared);
    switch (outcome.kind) {
      case 'uncacheable':
        return await passBy(call, state, shared);
      case 'fill':
        return await serveFill(outcome.fill, call, outcome.isNew ? 'miss' : 'revalidated', origin);
      case 'stored':
        return await serveStored(outcome.stored, call, 'revalidated', { origin, shared });
      default:
        return outcome satisfies never;
    }
  } catch (error) {
    if (!isLineDown(error)) throw error;
    const response = await serveStale(call, origin, shared);
    if (response === undefined) throw error;
    return response;
  }
}

/** HEAD says whether an object exists: but for rules that know, the storage is asked. */
async function headOnce(call: Call, state: KeyState, origin: Origin, shared: Shared): Promise<S3Response | undefined> {
  const { rule, request, id, name } = call;
  const { store } = shared;
  const mayServe = mayServeUnasked(request.headers.get('cache-control'));
  const stored = store.find(id);
  if (mayServe && stored !== undefined && isTrusted(stored, rule, 'HEAD', shared.now)) {
    return serveStored(stored, call, 'hit', { origin, shared });
  }
  if (rule.mode === 'exclusive' && mayServe && shared.absent.has(id)) throw knownAbsent(request.key);
  if (shared.breakerOf(name.place).isOpen) return whileDown(call, origin, shared);
  try {
    return await askHead(call, state, origin, shared);
  } catch (error) {
    if (!isLineDown(error)) throw error;
    const response = await serveStale(call, origin, shared);
    if (response === undefined) throw error;
    return response;
  }
}

async function askHead(call: Call, state: KeyState, origin: Origin, shared: Shared): Promise<S3Response> {
  const { store, recorder } = shared;
  const { id, rule, request } = call;
  const { epoch } = state;
  const isQuiet = state.writes === 0;
  const isCurrent = () => isQuiet && state.epoch === epoch;
  const askedAt = shared.now();
  const stored = store.find(id);
  const { found } = await noteHead(state, id, origin, store).catch((error: unknown) => {
    if (isAbsent(error) && rule.mode === 'exclusive' && isCurrent()) shared.absent.set(id, true);
    throw error;
  });
  const isSame = found !== undefined && stored !== undefined && isSameVersion(markOf(found), stored);
  if (stored !== undefined) recorder.revalidated(rule.label, isSame ? 'unchanged' : 'changed');
  if (stored !== undefined && isSame && isCurrent()) store.validated(stored, askedAt);
  if (found === undefined) return passBy(call, state, shared);
  const { status, headers } = answerHead(request, found, isSame ? 'revalidated' : 'miss');
  return { status, headers, body: null };
}

/** The line is known to be down: nobody waits for it, and one question a second finds out when it is back. */
async function whileDown(call: Call, origin: Origin, shared: Shared): Promise<S3Response> {
  if (shared.breakerOf(call.name.place).mayProbe()) {
    shared.background(
      origin.head().then(
        ({ body }) => dropBody(body),
        () => undefined,
      ),
    );
  }
  const response = await serveStale(call, origin, shared);
  if (response !== undefined) return response;
  throw new S3Error('ServiceUnavailable', { headers: new Map([['retry-after', '1']]) });
}

async function serveStale(call: Call, origin: Origin, shared: Shared): Promise<S3Response | undefined> {
  // Who wants to be told the truth is told that it cannot be known.
  if (!mayServeUnasked(call.request.headers.get('cache-control'))) return undefined;
  const stored = shared.store.find(call.id);
  const oldest = shared.now() - call.rule.staleIfError;
  if (stored === undefined || call.rule.staleIfError === 0 || stored.validatedAt < oldest) return undefined;
  return serveStored(stored, call, 'stale', { origin, shared });
}

/** Whether the rule lets this version be served without asking. */
function isTrusted(stored: Stored, rule: Rule, method: 'GET' | 'HEAD', now: () => number): boolean {
  if (!stored.isConfirmed) return false;
  if (rule.mode === 'immutable' && method === 'HEAD') return isYoung(stored.validatedAt, rule, now);
  return needsNoAsking(stored.validatedAt, rule, now);
}

/** Whether an answer of the storage that was asked for at that time still counts. */
function needsNoAsking(askedAt: number, rule: Rule, now: () => number): boolean {
  return rule.mode === 'immutable' || rule.mode === 'exclusive' || isYoung(askedAt, rule, now);
}

function isYoung(askedAt: number, { maxAge }: Rule, now: () => number): boolean {
  return maxAge > 0 && now() - askedAt <= maxAge;
}

function joinsUnasked({ mode, maxAge }: Rule): boolean {
  return mode === 'immutable' || mode === 'exclusive' || maxAge > 0;
}

/** A client may ask that the storage be asked. */
function mayServeUnasked(cacheControl: string | undefined): boolean {
  return cacheControl === undefined || !/(^|[\s,])(no-cache|max-age=0)([\s,=]|$)/i.test(cacheControl);
}

function knownAbsent(key: string | undefined): S3Error {
  return new S3Error('NoSuchKey', { detail: { Key: key ?? '' }, headers: new Map([[RESULT_HEADER, 'hit']]) });
}

/** Checks a share of the hits that nobody asked the storage about, behind the client's back. */
function maybeVerify(stored: Stored, call: Call, shared: Shared): void {
  const { recorder, store, log } = shared;
  if (shared.random() >= shared.verify || shared.breakerOf(call.name.place).isOpen) return;
  const origin = originOf(call, shared);
  const check = async (): Promise<void> => {
    const found = await origin.head().then(
      ({ headers }) => describe(headers),
      (error: unknown) => {
        if (isAbsent(error)) return 'absent' as const;
        throw error;
      },
    );
    const current = store.find(stored.id);
    // What was replaced since was read before that.
    if (found === undefined || current === undefined || !isSameVersion(current, stored)) return;
    const isRight = found !== 'absent' && isSameVersion(markOf(found), stored);
    recorder.verified(call.rule.label, isRight ? 'right' : 'stale');
    if (isRight) return;
    log.warn({ storage: call.name.storage, rule: call.rule.label }, 'an object changed that its rule calls unchanging');
    await store.drop(stored);
  };
  shared.background(check().catch(() => undefined));
}
