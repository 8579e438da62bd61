/** Greedy choices among logits. Ties go to the lowest id. Softmax in float64, maximum subtracted. */

import type { TokenVocabulary } from "./tokenizer/byte_vocabulary.ts";

export interface Choice {
  readonly id: number;
  readonly probability: number;
}

/** The most probable of all tokens. */
export function chooseAny(logits: Float32Array): Choice {
  let id = 0;
  for (let at = 1; at < logits.length; at += 1) {
    if ((logits[at] ?? -Infinity) > (logits[id] ?? -Infinity)) id = at;
  }
  const most = logits[id] ?? 0;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return { id, probability: 1 / sum };
}

/**
 * The most probable of the tokens that fit text which is there already: those that begin with all
 * of `need`, and those that are a beginning of it. Probability among these; null if there are none.
 */
export function chooseFitting(
  logits: Float32Array,
  need: Uint8Array,
  vocabulary: TokenVocabulary,
): Choice | null {
  const fitting = (vocabulary.byFirstByte[need[0] ?? -1] ?? []).filter((id) =>
    fits(vocabulary.bytes[id], need),
  );
  const among = Float32Array.from(fitting, (id) => logits[id] ?? -Infinity);
  if (among.length === 0) return null;
  const { id, probability } = chooseAny(among);
  return { id: fitting[id] ?? 0, probability };
}

/** Whether one of two byte strings begins with the other. */
function fits(token: Uint8Array | undefined, need: Uint8Array): boolean {
  if (token === undefined) return false;
  const length = Math.min(token.length, need.length);
  for (let at = 0; at < length; at += 1) if (token[at] !== need[at]) return false;
  return true;
}
