import t from 'tap';
import { type WarmObject, warm } from '../../../src/cache/warm.ts';

const signal = new AbortController().signal;

t.test('a list of two hundred thousand keys is read to its end', async (t) => {
  const count = 200_000;
  const keys = Array.from({ length: count }, (_, index) => ({ key: `key-${index}`, size: undefined }));
  let last = '';
  const pages = async function* (): AsyncIterable<readonly WarmObject[]> {
    yield keys;
  };
  const read = async (key: string) => {
    last = key;
    return null;
  };
  const onFailure = (error: unknown) => t.fail(String(error));
  const { state, finished } = warm({ pages: pages(), read, rate: undefined, signal, onFailure });
  await finished;
  t.match(state, { state: 'done', objects: count, objectsDone: count, objectsFailed: 0 });
  t.equal(last, `key-${count - 1}`);
});

t.test('an object that fails is counted, and a listing that fails is told', async (t) => {
  const trouble = new Error('no such bucket');
  const pages = async function* (): AsyncIterable<readonly WarmObject[]> {
    yield [{ key: 'a', size: 1 }];
    throw trouble;
  };
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => void failures.push(error);
  const read = async () => Buffer.alloc(1);
  const failed = warm({ pages: pages(), read, rate: undefined, signal, onFailure });
  await failed.finished;
  t.equal(failed.state.state, 'failed');
  t.same(failures, [trouble]);
  const one = async function* (): AsyncIterable<readonly WarmObject[]> {
    yield ['a', 'b', 'c'].map((key) => ({ key, size: 1 }));
  };
  const readSome = async (key: string) => {
    if (key === 'b') throw new Error('gone');
    return Buffer.alloc(1);
  };
  const { state, finished } = warm({ pages: one(), read: readSome, rate: undefined, signal, onFailure });
  await finished;
  t.match(state, { state: 'done', objects: 3, objectsDone: 2, objectsFailed: 1, bytes: 3, bytesDone: 2 });
  t.equal(failures.length, 1);
});
