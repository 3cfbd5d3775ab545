import type { AzureClient } from './client.ts';
import { type ListItem, listPage } from './list-page.ts';

export interface ItemSourceInput {
  readonly client: AzureClient;
  readonly container: string;
  /** Of blob names. */
  readonly prefix: string;
  readonly delimiter: string | undefined;
  /** Entries to ask for at once. */
  readonly pageSize: number;
}

/** A listing of Azure's that can be moved in, forward and back. It keeps one page. */
export class ItemSource {
  readonly #input: ItemSourceInput;
  #items: readonly ListItem[] = [];
  #index = 0;
  /** The page has every item from this name to its last. */
  #from: string | undefined;
  #marker: string | undefined;
  #isLast = false;
  /** Items before it are passed over, as services may not know `startFrom`. */
  #bound = '';

  constructor(input: ItemSourceInput) {
    this.#input = input;
  }

  /** The item here; undefined at the end. */
  async peek(): Promise<ListItem | undefined> {
    for (;;) {
      for (; this.#index < this.#items.length; this.#index++) {
        const item = this.#items[this.#index];
        if (item !== undefined && item.name >= this.#bound) return item;
      }
      if (this.#isLast) return undefined;
      await this.#load(this.#marker === undefined ? { startFrom: this.#bound } : { marker: this.#marker });
    }
  }

  advance(): void {
    this.#index++;
  }

  /** Moves to the first item whose name is not less; undefined: to the end. Asks Azure only when its page lacks it. */
  async seek(name: string | undefined): Promise<void> {
    if (name === undefined) {
      this.#items = [];
      this.#isLast = true;
      return;
    }
    this.#bound = name;
    const last = this.#items.at(-1);
    const isHere = this.#from !== undefined && name >= this.#from && (this.#isLast || (last && name <= last.name));
    if (isHere) this.#index = 0;
    else await this.#load({ startFrom: name });
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
    this.#items = page.items;
    this.#index = 0;
    this.#marker = page.marker;
    this.#isLast = page.marker === undefined;
    this.#from = startFrom ?? page.items[0]?.name;
  }
}
