/**
 * The byte string of each token of a byte-level BPE vocabulary.
 *
 * GPT-2's byte-level alphabet writes every byte as one printable character: those of Latin-1 that
 * are printable as themselves, the other 68 as U+0100, U+0101, … in order of the byte.
 */

import type { TokenizerJson } from "./tokenizer.ts";

export interface TokenVocabulary {
  /** By token id; undefined for special tokens, which stand for no text. */
  readonly bytes: readonly (Uint8Array | undefined)[];
  /** Ids, ascending, of the tokens that begin with a byte. */
  readonly byFirstByte: readonly (readonly number[])[];
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/** Character of the byte-level alphabet → byte. */
const BYTE_OF: ReadonlyMap<string, number> = (() => {
  const bytes = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte += 1) {
    bytes.set(String.fromCodePoint(isPrintable(byte) ? byte : next++), byte);
  }
  return bytes;
})();

export function tokenVocabulary(json: TokenizerJson): TokenVocabulary {
  const added = new Set(json.added_tokens.map((token) => token.id));
  const bytes: (Uint8Array | undefined)[] = [];
  const byFirstByte: number[][] = Array.from({ length: 256 }, () => []);
  for (const [token, id] of Object.entries(json.model.vocab)) {
    if (!added.has(id)) bytes[id] = tokenBytes(token);
  }
  for (const [id, token] of bytes.entries()) {
    const first = token?.[0];
    if (first !== undefined) byFirstByte[first]?.push(id);
  }
  return { bytes, byFirstByte };
}

function tokenBytes(token: string): Uint8Array {
  return Uint8Array.from(token, (character) => {
    const byte = BYTE_OF.get(character);
    if (byte === undefined) throw new Error(`tokenizer.json: "${token}" is not of the byte-level alphabet`);
    return byte;
  });
}
