import { S3Error } from './error.ts';
import { decodeUri, encodeUri } from './uri.ts';

/** One query parameter, decoded. `a` and `a=` both have the value ''. */
export interface QueryParameter {
  readonly name: string;
  readonly value: string;
}

/**
 * A query string, in order. Split at `&` only; `+` is a space, `%2B` a plus, as AWS reads it.
 * Immutable: `with` and `without` give a new one.
 */
export class Query {
  static readonly empty = new Query([]);
  readonly parameters: readonly QueryParameter[];

  constructor(parameters: readonly QueryParameter[]) {
    this.parameters = parameters;
  }

  /**
   * Reads the part of a request target after `?`.
   * @throws S3Error InvalidURI when a percent sequence is broken or not UTF-8
   */
  static parse(raw: string): Query {
    if (raw === '') return Query.empty;
    const parameters: QueryParameter[] = [];
    for (const pair of raw.split('&')) {
      if (pair === '') continue;
      const equals = pair.indexOf('=');
      parameters.push({
        name: decode(equals < 0 ? pair : pair.slice(0, equals)),
        value: equals < 0 ? '' : decode(pair.slice(equals + 1)),
      });
    }
    return new Query(parameters);
  }

  /** The first value of a parameter; undefined when it is absent. */
  get(name: string): string | undefined {
    for (const parameter of this.parameters) if (parameter.name === name) return parameter.value;
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** A copy in which `name` has exactly this value, in the place where it first stood, or at the end. */
  with(name: string, value: string): Query {
    const at = this.parameters.findIndex((parameter) => parameter.name === name);
    if (at < 0) return new Query([...this.parameters, { name, value }]);
    return new Query(
      this.parameters.flatMap((parameter, index) =>
        index === at ? [{ name, value }] : parameter.name === name ? [] : [parameter],
      ),
    );
  }

  /** A copy without every parameter for which `drop` holds. */
  without(drop: (name: string) => boolean): Query {
    const kept = this.parameters.filter((parameter) => !drop(parameter.name));
    return kept.length === this.parameters.length ? this : new Query(kept);
  }

  /** The query as it goes on the wire, every name and value encoded once; '' when empty, without `?`. */
  toString(): string {
    return this.parameters
      .map(({ name, value }) => (value === '' ? encodeUri(name) : `${encodeUri(name)}=${encodeUri(value)}`))
      .join('&');
  }
}

function decode(text: string): string {
  const decoded = decodeUri(text.includes('+') ? text.replaceAll('+', ' ') : text);
  if (decoded === undefined) throw new S3Error('InvalidURI');
  return decoded;
}
