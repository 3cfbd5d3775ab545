import { createInterface } from 'node:readline/promises';
import { type Readable, Writable } from 'node:stream';

/** Somebody who answers questions. */
export interface Prompter {
  /** @throws Error when the other side has left */
  ask(question: string, options: { readonly isSecret: boolean }): Promise<string>;
  tell(text: string): void;
  close(): void;
}

/**
 * Asks at a terminal. What is typed in answer to a secret is not shown, and nothing typed is kept to be called up again.
 */
export function terminalPrompter(input: Readable, output: Writable): Prompter {
  let isMuted = false;
  const shown = new Writable({
    write(chunk, _encoding, done) {
      // At once: what waits for its turn would be shown, or not, by what is asked next.
      if (!isMuted) output.write(chunk);
      done();
    },
  });
  const lines = createInterface({ input, output: shown, terminal: true, historySize: 0 });
  const left = new AbortController();
  const leave = (): void => left.abort();
  lines.once('close', leave);
  lines.once('SIGINT', leave);
  return {
    ask: async (question, { isSecret }) => {
      const prompt = `${question}: `;
      if (isSecret) output.write(prompt);
      isMuted = isSecret;
      try {
        return await lines.question(isSecret ? '' : prompt, { signal: left.signal });
      } catch (cause) {
        throw new Error('nothing was written', { cause });
      } finally {
        isMuted = false;
        if (isSecret) output.write('\n');
      }
    },
    tell: (text) => void output.write(`${text}\n`),
    close: () => lines.close(),
  };
}
