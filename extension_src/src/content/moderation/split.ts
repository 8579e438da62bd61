/** Long text in pieces that fit the model's window, cut where sentences end. */

/** Characters per piece; about 110 tokens of English, which the model's window holds. */
export const PIECE_CHARACTERS = 480;

/** A sentence with what follows it, or a rest without an end. */
const SENTENCE = /[^.!?…\n]*(?:[.!?…]+["'”’)\]]*(?=\s|$)\s*|\n+|[.!?…]+|$)/gu;

/**
 * Pieces of at most `limit` characters, in order: whole sentences as long as they fit, words where
 * a sentence is too long, and code points where a word is. Together they are the text, but for
 * white space at the cuts.
 */
export function split(text: string, limit: number = PIECE_CHARACTERS): readonly string[] {
  if (text.length <= limit) return text === "" ? [] : [text];
  const pieces: string[] = [];
  let piece = "";
  for (const part of parts(text, limit)) {
    if (piece.length + part.trimEnd().length > limit) {
      pieces.push(piece.trim());
      piece = "";
    }
    piece += part;
  }
  pieces.push(piece.trim());
  return pieces.filter((one) => one !== "");
}

/** Sentences, and words of sentences over the limit; each with its white space behind it. */
function* parts(text: string, limit: number): Generator<string> {
  for (const sentence of text.match(SENTENCE) ?? []) {
    if (sentence.length <= limit) yield sentence;
    else for (const word of sentence.match(/\S+\s*/gu) ?? []) yield* chunks(word, limit);
  }
}

function* chunks(word: string, limit: number): Generator<string> {
  let rest = word;
  while (rest.length > limit) {
    // Not between the two halves of a surrogate pair.
    const end = /[\uD800-\uDBFF]/.test(rest.charAt(limit - 1)) ? limit - 1 : limit;
    yield rest.slice(0, end);
    rest = rest.slice(end);
  }
  yield rest;
}
