/** Lets so many do something at a time; the others wait their turn, first come, first served. */
export interface Permits {
  /** Gives what ends the turn; call it once. */
  take(): Promise<() => void>;
}

export function createPermits(count: number): Permits {
  const waiting: (() => void)[] = [];
  let free = count;
  const end = (): void => {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  };
  return {
    take: async () => {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return end;
    },
  };
}
