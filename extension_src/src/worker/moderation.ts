/**
 * Probabilities per label for texts. The same decision as extbuild/evaluate/moderation.py, row for
 * row: what is measured at build time is what runs here.
 */

import type { ModerationRuntime } from "../generated/runtime.ts";
import type { Calls } from "../protocol/messages.ts";
import type { Encoder } from "./backends/backend.ts";
import type { Prepared, RowRunner, TokenIds } from "./scheduler.ts";
import type { TextTokenizer } from "./tokenizer/tokenizer.ts";

type Request = Calls["moderation.score"]["req"];
type Response = Calls["moderation.score"]["res"];

export interface ModerationModel {
  readonly prepare: (req: Request) => Prepared<Response>;
}

export function moderationModel(
  runtime: Pick<ModerationRuntime, "batch_tokens" | "max_tokens">,
  tokenizer: TextTokenizer,
  encoder: Encoder,
): ModerationModel {
  const runner: RowRunner = {
    budgetTokens: runtime.batch_tokens,
    get padded() {
      return encoder.padded;
    },
    run: async (rows) => (await encoder.logits(rows)).map((logits) => Array.from(logits, sigmoid)),
  };
  return {
    prepare({ texts }) {
      const rows = texts.map((text) =>
        isReadable(text) ? windows(tokenizer.encode(text), runtime.max_tokens) : [],
      );
      return {
        shape: "rows",
        runner,
        rows: rows.flat(),
        assemble(results) {
          let at = 0;
          return { scores: rows.map(({ length }) => highest(results.slice(at, (at += length)))) };
        },
      };
    },
  };
}

const LETTERS = /\p{L}/gu;
const LATIN_LETTERS = /(?=\p{L})\p{Script=Latin}/gu;

/**
 * Whether the model can judge a text: it knows English only, so at least half of the letters must
 * be of the Latin script, and there must be some.
 */
export function isReadable(text: string): boolean {
  const letters = text.match(LETTERS)?.length ?? 0;
  const latin = text.match(LATIN_LETTERS)?.length ?? 0;
  return letters > 0 && latin * 2 >= letters;
}

/**
 * A text longer than the model reads at once, in as few and as equal parts as fit; each has the
 * special tokens at its ends. A text is as harmful as its worst part.
 */
export function windows(ids: TokenIds, maxTokens: number): readonly TokenIds[] {
  const first = ids[0];
  const last = ids.at(-1);
  if (ids.length <= maxTokens || first === undefined || last === undefined) return [ids];
  const body = ids.slice(1, -1);
  const count = Math.ceil(body.length / (maxTokens - 2));
  const size = Math.ceil(body.length / count);
  return Array.from({ length: count }, (_, at) => [
    first,
    ...body.slice(at * size, (at + 1) * size),
    last,
  ]);
}

/** The highest probability of each label among the parts of a text; null if there are none. */
function highest(parts: readonly (readonly number[])[]): readonly number[] | null {
  return parts[0]?.map((_, label) => Math.max(...parts.map((part) => part[label] ?? 0))) ?? null;
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}
