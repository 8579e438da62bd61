import assert from "node:assert/strict";
import { test } from "node:test";

import {
  debounceMs,
  mayOffer,
  restOfGhost,
  START,
  step,
  type Action,
  type Context,
  type Event,
  type State,
} from "../../../../extension_src/src/content/completion/trigger.ts";

const at = (before: string, after = ""): Context => ({ before, after });
const edited = (before: string, after = ""): Event => ({ kind: "edited", context: at(before, after) });

/** What these events lead to: the last state, and all actions in short. */
function run(events: readonly Event[], start: State = START): readonly [State, readonly string[]] {
  let state = start;
  const actions: string[] = [];
  for (const event of events) {
    const next = step(state, event);
    state = next.state;
    actions.push(...next.actions.map(inShort));
  }
  return [state, actions];
}

function inShort(action: Action): string {
  switch (action.kind) {
    case "wait":
      return `wait ${action.ms}`;
    case "ask":
      return `ask ${action.request} ${action.context.before}|${action.context.after}`;
    case "show":
      return action.isRest ? `keep ${action.text}` : `show ${action.text}`;
    case "insert":
      return `insert ${action.text}`;
    case "cancel":
    case "hide":
      return action.kind;
  }
}

const OFFERED: readonly Event[] = [
  edited("Thank"),
  { kind: "timer", at: 0 },
  { kind: "answered", request: 1, text: " you all", at: 80 },
];
const SHOWN = ["wait 40", "ask 1 Thank|", "show  you all"];

const CASES: readonly (readonly [string, readonly Event[], State["phase"], readonly string[]])[] = [
  ["entering a field asks nothing", [{ kind: "moved", context: at("Hello ") }], "idle", []],
  ["an edit waits, asks and offers", OFFERED, "offering", SHOWN],
  [
    "another edit in the wait begins it anew",
    [edited("Th"), edited("Tha"), { kind: "timer", at: 0 }],
    "asking",
    ["wait 40", "cancel", "wait 40", "ask 1 Tha|"],
  ],
  [
    "an edit cancels the question, and its late answer is dropped",
    [edited("Th"), { kind: "timer", at: 0 }, edited("Tha"), { kind: "answered", request: 1, text: "x", at: 9 }],
    "waiting",
    ["wait 40", "ask 1 Th|", "cancel", "wait 40"],
  ],
  [
    "no answer is a reason to be quiet",
    [edited("Th"), { kind: "timer", at: 0 }, { kind: "answered", request: 1, text: "", at: 80 }],
    "idle",
    ["wait 40", "ask 1 Th|", "cancel"],
  ],
  [
    "so is a failure",
    [edited("Th"), { kind: "timer", at: 0 }, { kind: "failed", request: 1 }],
    "idle",
    ["wait 40", "ask 1 Th|", "cancel"],
  ],
  [
    "typing along the ghost keeps the rest without asking",
    [...OFFERED, edited("Thank "), edited("Thank y")],
    "offering",
    [...SHOWN, "keep you all", "keep ou all"],
  ],
  ["typing something else takes it away", [...OFFERED, edited("Thanks")], "waiting", [...SHOWN, "hide", "wait 40"]],
  ["deleting takes it away", [...OFFERED, edited("Than")], "waiting", [...SHOWN, "hide", "wait 40"]],
  [
    "typing it to the end asks for more",
    [...OFFERED, edited("Thank you all")],
    "waiting",
    [...SHOWN, "hide", "wait 40"],
  ],
  [
    "accepting inserts what is offered and is quiet until the text changes",
    [...OFFERED, { kind: "accepted" }, { kind: "moved", context: at("Thank you all") }],
    "idle",
    [...SHOWN, "hide", "insert  you all"],
  ],
  ["accepting nothing inserts nothing", [edited("Thank"), { kind: "accepted" }], "waiting", ["wait 40"]],
  [
    "Escape dismisses, and the caret that comes back to rest changes nothing",
    [...OFFERED, { kind: "dismissed" }, { kind: "moved", context: at("Thank") }],
    "idle",
    [...SHOWN, "hide"],
  ],
  ["after Escape the next edit asks again", [...OFFERED, { kind: "dismissed" }, edited("Thank ")], "waiting", [...SHOWN, "hide", "wait 40"]],
  ["moving the caret away hides", [...OFFERED, { kind: "moved", context: at("Tha", "nk") }], "idle", [...SHOWN, "hide"]],
  ["selecting hides", [...OFFERED, { kind: "moved", context: null }], "idle", [...SHOWN, "hide"]],
  ["a caret event that follows the edit changes nothing", [...OFFERED, { kind: "moved", context: at("Thank") }], "offering", SHOWN],
  ["composing hides", [...OFFERED, { kind: "composing" }], "idle", [...SHOWN, "hide"]],
  ["leaving cancels what is waited for", [edited("Thank"), { kind: "left" }], "idle", ["wait 40", "cancel"]],
  ["what could be drawn is what is offered", [...OFFERED, { kind: "drawn", text: " you" }, { kind: "accepted" }], "idle", [...SHOWN, "hide", "insert  you"]],
  ["what could not be drawn is not offered", [...OFFERED, { kind: "drawn", text: "" }, { kind: "accepted" }], "idle", [...SHOWN, "hide"]],
  ["in the middle of a line nothing is asked", [edited("Thank", " you")], "idle", []],
  ["in an empty field nothing is asked", [edited("")], "idle", []],
];

for (const [name, events, phase, actions] of CASES) {
  test(name, () => {
    const [state, done] = run(events);
    assert.deepEqual([state.phase, done], [phase, actions]);
  });
}

for (const [before, after, expected] of [
  ["Hello", "", true],
  ["Hello", "\nnext line", true],
  ["Hello", "   \nnext line", true],
  ["Hel", "lo", false],
  ["Hello", " you", false],
  ["Hello", ".", false],
  ["  \n ", "", false],
] as const) {
  test(`${JSON.stringify(before)}|${JSON.stringify(after)} may ${expected ? "" : "not "}be continued`, () => {
    assert.equal(mayOffer(at(before, after)), expected);
  });
}

test("what is before the caret may be a window that moves along", () => {
  const long = "x".repeat(3999);
  assert.equal(restOfGhost(at(`a${long}`), at(`${long} `), " you"), "you");
  assert.equal(restOfGhost(at(`a${long}`), at(`${long}y`), " you"), null);
});

test("typing along does not keep a ghost when the text after the caret changed", () => {
  assert.equal(restOfGhost(at("Thank"), at("Thank ", "\n"), " you"), null);
});

test("the wait follows the measured latency within its bounds", () => {
  assert.deepEqual([0, 10, 80, 200, 5000].map(debounceMs), [15, 15, 40, 100, 120]);
  let state = START;
  for (let round = 1; round <= 30; round += 1) {
    [state] = run(
      [edited("a".repeat(round)), { kind: "timer", at: 0 }, { kind: "answered", request: round, text: "", at: 220 }],
      state,
    );
  }
  assert.ok(Math.abs(state.latencyMs - 220) < 1);
  assert.equal(debounceMs(state.latencyMs), 110);
});
