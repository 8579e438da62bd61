import assert from "node:assert/strict";
import { test } from "node:test";

import { Unopened } from "../../../../extension_src/src/content/moderation/unopened.ts";

/** A custom element in one of the states that decide whether it may still open. */
class Card {
  root: ShadowRoot | null = null;
  isDefined = false;
  isConnected = true;
  looks = 0;

  matches(selector: string): boolean {
    assert.equal(selector, ":defined");
    return this.isDefined;
  }
}

const ROOT = {} as ShadowRoot;

function bench(count: number): {
  readonly cards: readonly Card[];
  readonly unopened: Unopened;
  /** Looks until each had its turn; how many times it took, and what was found. */
  readonly round: () => { readonly turns: number; readonly roots: readonly ShadowRoot[] };
} {
  const unopened = new Unopened();
  const cards = Array.from({ length: count }, () => new Card());
  for (const card of cards) unopened.add(card as unknown as Element);
  const round = (): { turns: number; roots: ShadowRoot[] } => {
    const roots: ShadowRoot[] = [];
    let turns = 0;
    for (; unopened.isDue; turns += 1) {
      const found = unopened.look((element) => {
        const card = element as unknown as Card;
        card.looks += 1;
        return card.root;
      });
      roots.push(...found);
    }
    return { turns, roots };
  };
  return { cards, unopened, round };
}

test("of thousands each is looked at once, a few at a time, until something happens", () => {
  const { cards, unopened, round } = bench(3000);
  assert.equal(round().turns, 15);
  assert.ok(cards.every(({ looks }) => looks === 1));
  assert.equal(round().turns, 0);
  unopened.lookAgain();
  round();
  assert.ok(cards.every(({ looks }) => looks === 2));
});

for (const [name, change, looks] of [
  ["is forgotten with its root", { root: ROOT, isDefined: true }, 2],
  ["is forgotten when it is off the page", { isConnected: false }, 2],
  ["is forgotten when it is defined, and still closed one look later", { isDefined: true }, 3],
  ["is kept as long as it is not defined", {}, 6],
] as const) {
  test(`an element ${name}`, () => {
    const { cards, unopened, round } = bench(1);
    round();
    const [card] = cards;
    assert.ok(card !== undefined);
    Object.assign(card, change);
    for (let more = 0; more < 5; more += 1) {
      unopened.lookAgain();
      const { roots } = round();
      assert.deepEqual(roots, more === 0 && card.root !== null ? [ROOT] : []);
    }
    assert.equal(card.looks, looks);
  });
}
