/**
 * Whose turn it is among clients that wait for the same thing: that of the one whose last turn is
 * longest ago. So a page with thousands of texts costs another page one turn, not thousands.
 *
 * Who had turns is remembered until `reset`: forgotten earlier, a client that asks one thing after
 * the other would be new, and first, each time.
 */
export class Turns {
  readonly #last = new Map<number, number>();
  #turn = 0;

  /** The first of `waiting` whose client has the turn, which it takes; undefined if none waits. */
  take<T>(waiting: Iterable<T>, clientOf: (one: T) => number): T | undefined {
    let next: T | undefined;
    let longestAgo = Infinity;
    for (const one of waiting) {
      const last = this.#last.get(clientOf(one)) ?? 0;
      if (last >= longestAgo) continue;
      next = one;
      longestAgo = last;
    }
    this.#turn += 1;
    if (next !== undefined) this.#last.set(clientOf(next), this.#turn);
    return next;
  }

  /** Nobody waits any more: the next to come are all new. */
  reset(): void {
    this.#last.clear();
    this.#turn = 0;
  }
}
