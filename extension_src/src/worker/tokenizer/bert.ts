/**
 * BERT's normaliser and pre-tokeniser as Python's `tokenizers` has them.
 *
 * Those of the JavaScript library differ from it: ideographs beyond U+FFFF are not set apart, a
 * final sigma is lower-cased by its place in the word, and the categories of characters are those
 * of the browser's Unicode (see unicode_tables.ts).
 */

import { Normalizer, PreTokenizer } from "@huggingface/tokenizers";

import { IDEOGRAPH, MARK, NEWER_MARK, PUNCTUATION, REMOVED } from "./unicode_tables.ts";

/** The normaliser's part of a tokenizer.json. */
export interface BertNormalizerConfig {
  readonly type: "BertNormalizer";
  readonly clean_text: boolean;
  readonly handle_chinese_chars: boolean;
  /** Null means: as `lowercase` says. */
  readonly strip_accents: boolean | null;
  readonly lowercase: boolean;
}

export function bertNormalized(text: string, config: BertNormalizerConfig): string {
  let out = text;
  if (config.clean_text) out = out.replace(REMOVED, "").replace(/\p{White_Space}/gu, " ");
  if (config.handle_chinese_chars) out = out.replace(IDEOGRAPH, " $& ");
  if (config.strip_accents ?? config.lowercase) out = withoutAccents(out);
  if (config.lowercase) out = lowerCased(out);
  return out;
}

function withoutAccents(text: string): string {
  // Every second part is a run of newer marks, the separators of `split`.
  const strip = (part: string): string => part.normalize("NFD").replace(MARK, "");
  return text.split(NEWER_MARK).map((part, at) => (at % 2 === 1 ? part : strip(part))).join("");
}

/** Each character by itself, so that no character's lower case depends on its neighbours. */
function lowerCased(text: string): string {
  return text.includes("Σ") ? Array.from(text, (c) => c.toLowerCase()).join("") : text.toLowerCase();
}

/** Words between spaces, and each punctuation mark by itself. */
export function bertWords(text: string): string[] {
  return text
    .replace(PUNCTUATION, " $& ")
    .split(/\p{White_Space}+/u)
    .filter((word) => word !== "");
}

export class BertNormalizer extends Normalizer {
  readonly #bert: BertNormalizerConfig;

  constructor(config: BertNormalizerConfig) {
    super({ ...config, strip_accents: config.strip_accents ?? config.lowercase });
    this.#bert = config;
  }

  override normalize(text: string): string {
    return bertNormalized(text, this.#bert);
  }
}

export class BertPreTokenizer extends PreTokenizer {
  override pre_tokenize_text(text: string): string[] {
    return bertWords(text);
  }
}
