/**
 * Ghost text for the caret. The same algorithm as extbuild/evaluate/suggest.py, token for token:
 * what is measured at build time is what runs here.
 *
 * Token healing: the word under the caret is not given to the model as it stands, since "hel" is
 * seldom the beginning of the tokens of "hello". Its bytes are taken back, and the first tokens
 * are chosen among those that spell them.
 */

import type { CompletionRuntime } from "../generated/runtime.ts";
import type { Calls, Silence, Suggestion } from "../protocol/messages.ts";
import type { Decoder } from "./backends/backend.ts";
import { chooseAny, chooseFitting, type Choice } from "./choice.ts";
import {
  countWords,
  decodeWhole,
  EMPTY_DRAFT,
  isSentenceEnd,
  isWordByte,
  NEWLINE,
  withEnd,
  withToken,
  type Draft,
} from "./draft.ts";
import type { Interest, Prepared } from "./scheduler.ts";
import type { TokenVocabulary } from "./tokenizer/byte_vocabulary.ts";
import type { TextTokenizer } from "./tokenizer/tokenizer.ts";

type Request = Calls["completion.suggest"]["req"];

export interface CompletionModel {
  readonly prepare: (req: Request) => Prepared<Suggestion>;
}

/** What a suggestion is made with. `pause` lets a newer keystroke end the interest. */
export interface Parts {
  readonly runtime: Pick<CompletionRuntime, "bos_id" | "context_tokens" | "max_new_tokens">;
  readonly encode: (text: string) => readonly number[];
  readonly vocabulary: TokenVocabulary;
  readonly decoder: Pick<Decoder, "capacity" | "rewind" | "append">;
  readonly pause: () => Promise<void>;
}

/** Longest word that is healed; a longer one is given to the model as it stands. */
const HEALED_CHARACTERS = 32;
/**
 * Most tokens of a healed word, which the cache holds besides `context_tokens`: with the space
 * before it, each character may be four bytes, and each byte a token.
 */
export const MOST_HEALED_TOKENS = (HEALED_CHARACTERS + 1) * 4;
/** Tokens of the prompt between two looks at whether the answer is still wanted. */
const PREFILL_TOKENS = 64;

export function completionModel(
  runtime: CompletionRuntime,
  tokenizer: TextTokenizer,
  vocabulary: TokenVocabulary,
  decoder: Decoder,
  pause: () => Promise<void>,
): CompletionModel {
  const encode = (text: string): readonly number[] => tokenizer.encode(text);
  const parts: Parts = { runtime, encode, vocabulary, decoder, pause };
  return {
    prepare: (req) => ({ shape: "whole", run: (interest) => suggest(req, parts, interest) }),
  };
}

export async function suggest(
  req: Omit<Request, "field">,
  parts: Parts,
  interest: Interest,
): Promise<Suggestion> {
  const { head, tail } = splitForHealing(req.before.toWellFormed());
  if (!/\P{White_Space}/u.test(head + tail)) return silent("no-context");
  const prompt = promptIds(head, parts);
  const logits = await prefill(prompt, parts, interest);
  const room = parts.decoder.capacity - prompt.length;
  const draft = await extend(logits, tail, { ...req, room }, parts, interest);
  return draft === null ? silent("nothing") : shown(draft, req.after.toWellFormed());
}

function silent(silence: Silence): Suggestion {
  return { text: "", confidence: 0, silence };
}

/** The text before the word under the caret, and that word with one space before it. */
export function splitForHealing(before: string): { readonly head: string; readonly tail: string } {
  const word = /\P{White_Space}*$/u.exec(before)?.[0] ?? "";
  if ([...word].length > HEALED_CHARACTERS) return { head: before, tail: "" };
  const start = before.length - word.length;
  const from = before[start - 1] === " " ? start - 1 : start;
  return { head: before.slice(0, from), tail: before.slice(from) };
}

/**
 * Ids of the prompt, at most what leaves room for the suggestion. A longer text loses its beginning,
 * bos first, up to the first sentence that fits: the prompt then begins at the same place for a
 * whole sentence of typing, and the cache with it. Without such a place it just fits.
 */
function promptIds(head: string, { runtime, encode, vocabulary, decoder }: Parts): readonly number[] {
  const ids = [runtime.bos_id, ...encode(head)];
  const room = Math.min(runtime.context_tokens, decoder.capacity) - runtime.max_new_tokens;
  if (ids.length <= room) return ids;
  const earliest = ids.length - room;
  for (let start = earliest; start <= earliest + room / 2; start += 1) {
    if (isSentenceEnd(vocabulary.bytes[ids[start - 1] ?? 0]?.at(-1))) return ids.slice(start);
  }
  return ids.slice(earliest);
}

async function prefill(
  ids: readonly number[],
  { decoder, pause }: Parts,
  interest: Interest,
): Promise<Float32Array> {
  let at = decoder.rewind(ids);
  for (;;) {
    const logits = await decoder.append(ids.slice(at, at + PREFILL_TOKENS));
    at += PREFILL_TOKENS;
    if (at >= ids.length) return logits;
    await pause();
    interest.throwIfAborted();
  }
}

/** How far a suggestion may go; `room` is the tokens that the cache still holds. */
interface Policy extends Pick<Request, "maxWords" | "minConfidence"> {
  readonly room: number;
}

/**
 * Chooses token after token until the text ends, is no longer sure, or the cache is full: a long
 * healed word may take many tokens. Null: nothing was said.
 */
async function extend(
  promptLogits: Float32Array,
  tail: string,
  policy: Policy,
  { runtime, vocabulary, decoder, pause }: Parts,
  interest: Interest,
): Promise<Draft | null> {
  let logits = promptLogits;
  let need = new TextEncoder().encode(tail);
  let draft = EMPTY_DRAFT;
  let newTokens = 0;
  for (let room = policy.room; ; room -= 1) {
    const choice: Choice | null =
      need.length > 0 ? chooseFitting(logits, need, vocabulary) : chooseAny(logits);
    if (choice === null) return null;
    const bytes = vocabulary.bytes[choice.id];
    if (bytes === undefined) return ended(draft, policy.minConfidence);
    const fresh = bytes.subarray(need.length);
    need = need.subarray(bytes.length);
    if (fresh.length > 0) {
      if (!isWordByte(fresh[0] ?? 0)) {
        draft = withEnd(draft, policy.minConfidence);
        if (isSentenceEnd(draft.bytes.at(-1)) || countWords(draft.bytes) >= policy.maxWords) return draft;
      }
      const newline = fresh.indexOf(NEWLINE);
      const kept = newline < 0 ? fresh : fresh.subarray(0, newline);
      draft = withToken(draft, kept, choice.probability);
      if (newline >= 0) return ended(draft, policy.minConfidence);
      if (draft.confidence < policy.minConfidence) return draft;
      newTokens += 1;
      if (newTokens === runtime.max_new_tokens) return draft;
    }
    if (room === 0) return draft;
    await pause();
    interest.throwIfAborted();
    logits = await decoder.append([choice.id]);
  }
}

/** The draft after the model itself ended the text; null when it had said nothing. */
function ended(draft: Draft, minConfidence: number): Draft | null {
  return draft.bytes.length === 0 ? null : withEnd(draft, minConfidence);
}

function shown(draft: Draft, after: string): Suggestion {
  if (draft.end === null) return silent("unsure");
  const text = decodeWhole(draft.bytes.slice(0, draft.end.length)).replace(/ +$/, "");
  if (!/[\p{L}\p{N}]/u.test(text)) return silent("unsure");
  if (text.includes("<")) return silent("nothing");
  if (after.replace(/^ +/, "").startsWith(text.trim())) return silent("repeats-after");
  return { text, confidence: draft.end.confidence, silence: null };
}
