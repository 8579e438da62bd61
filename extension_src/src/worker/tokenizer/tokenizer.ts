/** Token ids of a text, identical with those of the Python library `tokenizers`. */

import {
  BertPreTokenizer as LibraryBertPreTokenizer,
  ByteLevelPreTokenizer,
  SequencePreTokenizer,
  Tokenizer,
  type PreTokenizer,
} from "@huggingface/tokenizers";

import { BertNormalizer, BertPreTokenizer, type BertNormalizerConfig } from "./bert.ts";

/** The parts of a tokenizer.json that are read here; the library reads the rest. */
export interface TokenizerJson {
  readonly model: { readonly vocab: { readonly [token: string]: number } };
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[];
  readonly normalizer: BertNormalizerConfig | { readonly type: string } | null;
}

export function parseTokenizer(bytes: Uint8Array): TokenizerJson {
  return JSON.parse(new TextDecoder().decode(bytes)) as TokenizerJson;
}

export class TextTokenizer {
  readonly #tokenizer: Tokenizer;

  constructor(json: TokenizerJson) {
    this.#tokenizer = new Tokenizer(json, {});
    if (json.normalizer?.type === "BertNormalizer") {
      this.#tokenizer.normalizer = new BertNormalizer(json.normalizer as BertNormalizerConfig);
    }
    this.#tokenizer.pre_tokenizer = exact(this.#tokenizer.pre_tokenizer);
  }

  /**
   * Ids with the special tokens that the tokenizer's own template adds, never truncated. A lone
   * surrogate, which no UTF-8 text can hold, counts as U+FFFD.
   */
  encode(text: string): readonly number[] {
    return this.#tokenizer.encode(text.toWellFormed()).ids;
  }
}

/**
 * The pattern of GPT-2 by which `ByteLevel` cuts words. The library has it with `\s`, which in
 * JavaScript takes U+FEFF for a space and U+0085 for none.
 */
const BYTE_LEVEL_WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** The library's pre-tokeniser with the parts that differ from Python's put right. */
function exact(part: PreTokenizer | null): PreTokenizer | null {
  if (part instanceof LibraryBertPreTokenizer) return new BertPreTokenizer();
  if (part instanceof ByteLevelPreTokenizer) part.pattern = BYTE_LEVEL_WORDS;
  if (part instanceof SequencePreTokenizer) part.tokenizers = part.tokenizers.map(exact);
  return part;
}
