import type { AzureClient } from './client.ts';
import { type ListItem, listPage } from './list-page.ts';
import type { NameOrder } from './name-order.ts';

export interface ItemSourceInput {
  readonly client: AzureClient;
  readonly container: string;
  /** Of blob names. */
  readonly prefix: string;
  readonly delimiter: string | undefined;
  readonly order: NameOrder;
  /** Entries to ask for at once. */
  readonly pageSize: number;
}

/** A listing of Azure's that can be moved in, forward and back. It keeps one page. */
export class ItemSource {
  readonly #input: ItemSourceInput;
  #items: readonly ListItem[] = [];
  #index = 0;
  /** Rank: the page has every item from here to its last. */
  #from: string | undefined;
  #marker: string | undefined;
  #isLast = false;
  /** Rank: items before it are passed over, as services may not know `startFrom`. */
  #bound = '';

  constructor(input: ItemSourceInput) {
    this.#input = input;
  }

  get order(): NameOrder {
    return this.#input.order;
  }

  /** The item here; undefined at the end. */
  async peek(): Promise<ListItem | undefined> {
    for (;;) {
      for (; this.#index < this.#items.length; this.#index++) {
        const item = this.#items[this.#index];
        if (item !== undefined && this.#rank(item.name) >= this.#bound) return item;
      }
      if (this.#isLast) return undefined;
      await this.#load(this.#marker === undefined ? {} : { marker: this.#marker });
    }
  }

  advance(): void {
    this.#index++;
  }

  /** Moves to the first item whose name is not less; undefined: to the end. Asks Azure only when its page lacks it. */
  async seek(name: string | undefined): Promise<void> {
    if (name === undefined) {
      this.#items = [];
      this.#from = undefined;
      this.#isLast = true;
      return;
    }
    const rank = this.#rank(name);
    this.#bound = rank;
    const last = this.#items.at(-1);
    const isBefore = this.#isLast || (last !== undefined && rank <= this.#rank(last.name));
    if (this.#from !== undefined && rank >= this.#from && isBefore) this.#index = 0;
    else await this.#load({ startFrom: name });
  }

  #rank(name: string): string {
    return this.#input.order.rank(name);
  }

  async #load({ marker, startFrom }: { readonly marker?: string; readonly startFrom?: string }): Promise<void> {
    const { client, container, prefix, delimiter, pageSize } = this.#input;
    const page = await listPage(client, {
      container,
      prefix,
      delimiter,
      maxResults: pageSize,
      marker,
      startFrom: startFrom === undefined || startFrom <= prefix ? undefined : startFrom,
    });
    this.#items = [...page.items].sort((a, b) => (this.#rank(a.name) < this.#rank(b.name) ? -1 : 1));
    this.#index = 0;
    this.#marker = page.marker;
    this.#isLast = page.marker === undefined;
    const first = this.#items[0]?.name;
    const from = marker === undefined ? (startFrom ?? '') : first;
    this.#from = from === undefined ? undefined : this.#rank(from);
  }
}
