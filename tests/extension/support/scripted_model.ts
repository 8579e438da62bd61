/** A decoder that says what a test wrote down, over a vocabulary of plain words. */

import type { Parts } from "../../../extension_src/src/worker/completion.ts";
import type { TokenVocabulary } from "../../../extension_src/src/worker/tokenizer/byte_vocabulary.ts";

/** Token 0 ends the text. */
export const END = "<end>";

/** Probability of some tokens after a text; the others share what is left. */
export type Script = (text: string) => { readonly [token: string]: number };

export interface ScriptedModel {
  readonly parts: Parts;
  /** Pieces that were appended, as texts, in order. */
  readonly appended: string[];
}

export function vocabularyOf(tokens: readonly string[]): TokenVocabulary {
  const encoder = new TextEncoder();
  const bytes = [undefined, ...tokens.map((token) => encoder.encode(token))];
  const byFirstByte = Array.from({ length: 256 }, (_, first) =>
    [...bytes.keys()].filter((id) => bytes[id]?.[0] === first),
  );
  return { bytes, byFirstByte };
}

interface Limits {
  readonly context_tokens?: number;
  readonly max_new_tokens?: number;
  readonly capacity?: number;
}

/** Its decoder throws, as the engine does, when it is given more tokens than its capacity. */
export function scriptedModel(
  tokens: readonly string[],
  script: Script,
  { capacity = 96, ...limits }: Limits = {},
): ScriptedModel {
  const names = [END, ...tokens];
  const text = (ids: readonly number[]): string => ids.map((id) => (id === 0 ? "" : names[id])).join("");
  const appended: string[] = [];
  let cached: readonly number[] = [];
  return {
    appended,
    parts: {
      runtime: { bos_id: 0, context_tokens: 64, max_new_tokens: 8, ...limits },
      encode: (head) => longestFirst(head, names),
      vocabulary: vocabularyOf(tokens),
      decoder: {
        capacity,
        rewind(ids) {
          let keep = 0;
          while (keep < Math.min(cached.length, ids.length - 1) && cached[keep] === ids[keep]) keep += 1;
          cached = cached.slice(0, keep);
          return keep;
        },
        async append(ids) {
          appended.push(text(ids));
          cached = [...cached, ...ids];
          if (cached.length > capacity) throw new Error(`the cache holds ${capacity} tokens`);
          return logits(script(text(cached)), names);
        },
      },
      pause: async () => undefined,
    },
  };
}

function logits(probabilities: { readonly [token: string]: number }, names: readonly string[]): Float32Array {
  const given = Object.values(probabilities).reduce((sum, p) => sum + p, 0);
  const rest = (1 - given) / (names.length - Object.keys(probabilities).length);
  return Float32Array.from(names, (name) => Math.log(probabilities[name] ?? Math.max(rest, 1e-9)));
}

function longestFirst(text: string, names: readonly string[]): number[] {
  const ids: number[] = [];
  for (let at = 0; at < text.length; ) {
    const fitting = names.filter((name) => name !== END && text.startsWith(name, at));
    const longest = fitting.toSorted((a, b) => b.length - a.length)[0];
    if (longest === undefined) throw new Error(`no token for ${JSON.stringify(text.slice(at))}`);
    ids.push(names.indexOf(longest));
    at += longest.length;
  }
  return ids;
}
