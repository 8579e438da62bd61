/**
 * The worker's own code on packed files, with onnxruntime-web in Node instead of a browser.
 *
 * stdin: {package: folder with runtime.json, texts, prompts: [before, after][]}
 * stdout: {alone, together, suggestions}: probabilities of each text in a batch of its own, of all
 * texts in one call, and the suggestions in the order of the prompts, the cache kept between them.
 */

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { Runtime } from "../../extension_src/src/generated/runtime.ts";
import type { Suggestion } from "../../extension_src/src/protocol/messages.ts";
import { ortWasm } from "../../extension_src/src/worker/backends/ort_wasm.ts";
import { completionModel } from "../../extension_src/src/worker/completion.ts";
import { moderationModel } from "../../extension_src/src/worker/moderation.ts";
import { Scheduler, type Prepared } from "../../extension_src/src/worker/scheduler.ts";
import { loadModelBytes, type ReadFile } from "../../extension_src/src/worker/shards.ts";
import { tokenVocabulary } from "../../extension_src/src/worker/tokenizer/byte_vocabulary.ts";
import { parseTokenizer, TextTokenizer } from "../../extension_src/src/worker/tokenizer/tokenizer.ts";

interface Input {
  readonly package: string;
  readonly texts: readonly string[];
  readonly prompts: readonly (readonly [string, string])[];
}
type Scores = readonly (readonly number[] | null)[];

const input = JSON.parse(readFileSync(0, "utf-8")) as Input;
const runtime = JSON.parse(readFileSync(join(input.package, "runtime.json"), "utf-8")) as Runtime;
const wasmFolder = new URL("../../extension_src/node_modules/onnxruntime-web/dist/", import.meta.url);
const backend = ortWasm(wasmFolder.href);
const read: ReadFile = async (file) => new Uint8Array(await readFile(join(input.package, file)));
const noPause = async (): Promise<void> => undefined;

/** The answer of one call, by way of the real scheduler. */
function answer<Res>(prepared: Prepared<Res>): Promise<Res> {
  return new Promise((resolve, reject) => {
    const scheduler = new Scheduler<Res>({
      onAnswer: (_, res) => resolve(res),
      onError: (_, error) => reject(new Error(error.message)),
      onFatal: reject,
      now: () => 0,
      pause: noPause,
    });
    const prepare = async (): Promise<Prepared<Res>> => prepared;
    scheduler.submit({ id: 1, client: 1, lane: "rest", field: null, prepare });
  });
}

async function moderate(): Promise<{ alone: Scores; together: Scores }> {
  const model = runtime.models.moderation;
  if (model === null) return { alone: [], together: [] };
  const bytes = await loadModelBytes(model.files, read, () => undefined);
  const tokenizer = new TextTokenizer(parseTokenizer(bytes.tokenizer));
  const { prepare } = moderationModel(model, tokenizer, await backend.encoder(bytes, model.pad_id));
  const scores = async (texts: readonly string[]): Promise<Scores> =>
    (await answer(prepare({ texts, lane: "rest" }))).scores;
  const alone: (readonly number[] | null)[] = [];
  for (const text of input.texts) alone.push(...(await scores([text])));
  return { alone, together: await scores(input.texts) };
}

async function complete(): Promise<readonly Suggestion[]> {
  const model = runtime.models.completion;
  if (model === null) return [];
  const bytes = await loadModelBytes(model.files, read, () => undefined);
  const json = parseTokenizer(bytes.tokenizer);
  const decoder = await backend.decoder(bytes, model);
  const { prepare } = completionModel(
    model,
    new TextTokenizer(json),
    tokenVocabulary(json),
    decoder,
    noPause,
  );
  const suggestions: Suggestion[] = [];
  for (const [before, after] of input.prompts) {
    const { min_confidence: minConfidence, max_words: maxWords } = model;
    const req = { field: "", before, after, minConfidence, maxWords };
    suggestions.push(await answer(prepare(req)));
  }
  return suggestions;
}

const { alone, together } = await moderate();
const suggestions = await complete();
process.stdout.write(JSON.stringify({ alone, together, suggestions }));
