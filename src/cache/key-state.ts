import type { Fill } from './fill.ts';
import type { Sights } from './sights.ts';
import type { Stored } from './store.ts';

/** What asking the storage for the current version gave. */
export type Outcome =
  /** This version, which is here, is the current one. */
  | { readonly kind: 'stored'; readonly stored: Stored }
  /** This one is, and it is on its way. `isNew` when asking began the fill. */
  | { readonly kind: 'fill'; readonly fill: Fill; readonly isNew: boolean }
  /** The object cannot be kept: each request goes its own way. */
  | { readonly kind: 'uncacheable' };

/** What goes on with one object. */
export interface KeyState {
  /** The object's generation: grows when a write begins and when it ends. What began in another is not kept. */
  epoch: number;
  /** Writes under way. */
  writes: number;
  /** The question under way. Only requests that came before it was asked may use its answer. */
  asking: Promise<unknown> | undefined;
  /** The next one, for all requests that came since. */
  next: Promise<Outcome> | undefined;
  /**
   * The fill under way, of this epoch and asked for at that time. Where it only puts together what is here, `kept` resolves
   * when that is found as one, or never will be.
   */
  fill:
    | { readonly fill: Fill; readonly epoch: number; readonly askedAt: number; readonly kept?: Promise<void> }
    | undefined;
  readonly sights: Sights;
}

/** The states of objects that something goes on with; others have none. */
export interface KeyStates {
  /** Gives the state, and keeps it until as many releases. */
  hold(id: string): KeyState;
  release(id: string): void;
  /** Nothing that is under way now is kept. */
  overtakeAll(): void;
  readonly size: number;
}

export function createKeyStates(): KeyStates {
  const states = new Map<string, { readonly state: KeyState; holders: number }>();
  return {
    hold: (id) => {
      let held = states.get(id);
      if (held === undefined) {
        const state: KeyState = {
          epoch: 0,
          writes: 0,
          asking: undefined,
          next: undefined,
          fill: undefined,
          sights: { answers: 0, changes: 0, last: undefined },
        };
        held = { state, holders: 0 };
        states.set(id, held);
      }
      held.holders++;
      return held.state;
    },
    release: (id) => {
      const held = states.get(id);
      if (held === undefined) return;
      held.holders--;
      if (held.holders === 0) states.delete(id);
    },
    overtakeAll: () => {
      for (const { state } of states.values()) state.epoch++;
    },
    get size() {
      return states.size;
    },
  };
}
