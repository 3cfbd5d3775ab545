import { normalise, problemsSoFar, type Surroundings } from './document.ts';
import { type Answers, exampleEndpoint, type Field, fieldsOf, OPTIONS, type OptionName, PROVIDERS } from './fields.ts';
import type { Prompter } from './prompt.ts';

/**
 * Asks for what the options did not say, one question after the other, and again for what was answered wrongly.
 * @throws Error when whoever answers has left
 */
export async function interview(given: Answers, prompter: Prompter, surroundings: Surroundings): Promise<Answers> {
  let answers = given;
  const put = async (name: OptionName, question: string, fallback: string | undefined): Promise<void> => {
    const typed = (await prompter.ask(question, { isSecret: 'isSecret' in OPTIONS[name] })).trim();
    // The scheme of a URL that was wrong goes with it.
    const kept =
      name === 'endpoint' && given.endpoint === undefined ? { ...answers, protocol: given.protocol } : answers;
    answers = normalise({ ...kept, [name]: typed === '' ? fallback : typed });
  };
  while (!PROVIDERS.includes(answers.provider ?? '')) {
    if (answers.provider !== undefined) prompter.tell(`  ${answers.provider} is none of them`);
    await put('provider', `${OPTIONS.provider.text} (${PROVIDERS.join(' ')})`, undefined);
  }
  for (const field of fieldsOf(answers.provider ?? '')) {
    const { name, fallback, isWanted, isRare, isRequired } = field;
    if (isWanted?.(answers) === false) continue;
    if (answers[name] === undefined && isRare === undefined) await put(name, questionFor(field, answers), fallback);
    for (;;) {
      const isMissing = isRequired === true && answers[name] === undefined;
      const wrong = isMissing ? ['is needed'] : faultsOf(answers, field, surroundings);
      if (wrong.length === 0) break;
      for (const message of wrong) prompter.tell(`  ${message}`);
      await put(name, questionFor(field, answers), fallback);
    }
  }
  return answers;
}

/** Only what was said can be wrong yet, and what the check wants although it is rarely asked for. */
function faultsOf(answers: Answers, field: Field, surroundings: Surroundings): readonly string[] {
  const { name, isRare, choices } = field;
  const value = answers[name];
  if (value === undefined && isRare === undefined) return [];
  if (choices !== undefined && !choices.includes(value ?? '')) return [`must be ${choices.join(' or ')}`];
  return problemsSoFar(answers, surroundings).flatMap((problem) => (problem.name === name ? [problem.message] : []));
}

function questionFor({ name, fallback }: Field, { provider = '' }: Answers): string {
  const example = name === 'endpoint' ? exampleEndpoint(provider) : undefined;
  const hint = fallback === undefined ? (example === undefined ? '' : `, such as ${example}`) : ` [${fallback}]`;
  return `${OPTIONS[name].text}${hint}`;
}
