import t from 'tap';
import { createSpentMemory } from '../../../src/http/spent-memory.ts';

const MiB = 2 ** 20;

t.test('young objects are collected once for each 8 MiB that have passed', async (t) => {
  let collections = 0;
  const spend = createSpentMemory(() => {
    collections++;
  });
  for (let count = 0; count < 127; count++) spend(64 * 1024);
  t.equal(collections, 0);
  spend(64 * 1024);
  t.equal(collections, 1);
  for (let count = 0; count < 10; count++) spend(MiB);
  t.equal(collections, 2);
});

t.test('where node does not offer it, nothing happens', async (t) => {
  const spend = createSpentMemory(undefined);
  t.doesNotThrow(() => spend(100 * MiB));
});
