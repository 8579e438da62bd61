/**
 * A suggestion while its tokens come in: which bytes it has, and where it may end.
 *
 * It may end only where a word ends, which shows in the first byte of the token after it. A draft
 * is a value: each function gives a new one.
 */

export interface Draft {
  readonly bytes: readonly number[];
  /** Product of the probabilities of the tokens that gave `bytes`. */
  readonly confidence: number;
  /** The longest end so far at which the confidence was enough. */
  readonly end: { readonly length: number; readonly confidence: number } | null;
}

export const EMPTY_DRAFT: Draft = { bytes: [], confidence: 1, end: null };

/** Whether a byte is part of a word: ASCII letter or digit, apostrophe, or any of a longer UTF-8 sequence. */
export function isWordByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x27 ||
    byte >= 0x80
  );
}

/** Number of maximal runs of word bytes. */
export function countWords(bytes: readonly number[]): number {
  return bytes.filter((byte, at) => isWordByte(byte) && !isWordByte(bytes[at - 1] ?? 0x20)).length;
}

export const NEWLINE = 0x0a;

/** Whether a sentence may end with a byte: . ! ? or a newline. */
export function isSentenceEnd(byte: number | undefined): boolean {
  return byte === 0x2e || byte === 0x21 || byte === 0x3f || byte === NEWLINE;
}

export function withToken(draft: Draft, bytes: Uint8Array, probability: number): Draft {
  if (bytes.length === 0) return draft;
  return {
    bytes: [...draft.bytes, ...bytes],
    confidence: draft.confidence * probability,
    end: draft.end,
  };
}

/** The draft with an end here, if it is sure enough of what it has. */
export function withEnd(draft: Draft, minConfidence: number): Draft {
  if (draft.confidence < minConfidence) return draft;
  return { ...draft, end: { length: draft.bytes.length, confidence: draft.confidence } };
}

/** The longest beginning of `bytes` that is whole UTF-8. */
export function decodeWhole(bytes: readonly number[]): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (let length = bytes.length; length > 0; length -= 1) {
    try {
      return decoder.decode(Uint8Array.from(bytes.slice(0, length)));
    } catch {
      continue; // cut inside of a character, or not a character at all: one byte less
    }
  }
  return "";
}
