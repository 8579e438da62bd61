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
    run: async (rows) => (await encoder.logits(rows)).map((logits) => Array.from(logits, sigmoid)),
  };
  return {
    prepare({ texts }) {
      const rows = texts.map((text) =>
        isReadable(text) ? truncated(tokenizer.encode(text), runtime.max_tokens) : null,
      );
      return {
        shape: "rows",
        runner,
        rows: rows.filter((row) => row !== null),
        assemble(results) {
          const left = results.values();
          return { scores: rows.map((row) => (row === null ? null : (left.next().value ?? null))) };
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

/** At most `maxTokens` ids: the first special token, as much text as fits, the last special token. */
export function truncated(ids: TokenIds, maxTokens: number): TokenIds {
  const last = ids.at(-1);
  if (ids.length <= maxTokens || last === undefined) return ids;
  return [...ids.slice(0, maxTokens - 1), last];
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}
