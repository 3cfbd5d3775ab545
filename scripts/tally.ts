import { text } from 'node:stream/consumers';

/** Reads tap's output and closes with one plain line of what really ran: `N passed, N failed, N skipped`. */
const output = await text(process.stdin);
const sums = { pass: 0, fail: 0, skip: 0, todo: 0 };
for (const [, body = ''] of output.matchAll(/^# \{ total: \d+(.*)\}$/gm)) {
  for (const [, name, count] of body.matchAll(/(pass|fail|skip|todo): (\d+)/g)) {
    if (name === 'pass' || name === 'fail' || name === 'skip' || name === 'todo') sums[name] += Number(count);
  }
}
process.stdout.write(`${sums.pass} passed, ${sums.fail} failed, ${sums.skip + sums.todo} skipped\n`);
