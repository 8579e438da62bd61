/** Token ids of a text, identical with those of the Python library `tokenizers`. */

import { Tokenizer } from "@huggingface/tokenizers";

/** The parts of a tokenizer.json that are read here; the library reads the rest. */
export interface TokenizerJson {
  readonly model: { readonly vocab: { readonly [token: string]: number } };
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[];
}

export function parseTokenizer(bytes: Uint8Array): TokenizerJson {
  return JSON.parse(new TextDecoder().decode(bytes)) as TokenizerJson;
}

export class TextTokenizer {
  readonly #tokenizer: Tokenizer;

  constructor(json: TokenizerJson) {
    this.#tokenizer = new Tokenizer(json, {});
  }

  /** Ids with the special tokens that the tokenizer's own template adds, never truncated. */
  encode(text: string): readonly number[] {
    return this.#tokenizer.encode(text.toWellFormed()).ids;
  }
}
