/**
 * The worker's own code on packed files, in Node instead of a browser: loading, choice of a backend
 * with its self-test, and the models themselves.
 *
 * stdin: {package: folder with runtime.json, backends: names of those that may run, texts,
 *   prompts: [before, after][]}
 * stdout: {alone, together, suggestions, running, loadMs}: probabilities of each text in a batch of
 * its own, of all texts in one call, and the suggestions in the order of the prompts, the cache kept
 * between them; what ran each model, and how long it took to load, self-test included.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { Runtime } from "../../extension_src/src/generated/runtime.ts";
import type { Feature, Suggestion } from "../../extension_src/src/protocol/messages.ts";
import type { Backend, BackendId } from "../../extension_src/src/worker/backends/backend.ts";
import { withLiar } from "../../extension_src/src/worker/backends/lying.ts";
import { ortBackends } from "../../extension_src/src/worker/backends/ort_wasm.ts";
import { rememberedVerdicts } from "../../extension_src/src/worker/backends/remembered.ts";
import { candidates, type Wanting } from "../../extension_src/src/worker/candidates.ts";
import { loadCompletion, loadModeration, type LoadOptions } from "../../extension_src/src/worker/load.ts";
import type { Loaded, Running } from "../../extension_src/src/worker/model_slot.ts";
import { Scheduler, type Prepared } from "../../extension_src/src/worker/scheduler.ts";
import { engineOf, folder } from "./node_host.ts";

interface Input {
  readonly package: string;
  readonly backends: readonly BackendId[];
  readonly texts: readonly string[];
  readonly prompts: readonly (readonly [string, string])[];
}
type Scores = readonly (readonly number[] | null)[];

const input = JSON.parse(readFileSync(0, "utf-8")) as Input;
const runtime = JSON.parse(readFileSync(join(input.package, "runtime.json"), "utf-8")) as Runtime;
const ortFolder = new URL("../../extension_src/node_modules/onnxruntime-web/dist/", import.meta.url);
const available = {
  engine: engineOf(runtime.engine, input.package),
  ...ortBackends(ortFolder.href),
};
const noPause = async (): Promise<void> => undefined;
const running: { [F in Feature]?: Running } = {};
const loadMs: { [F in Feature]?: number } = {};

function optionsFor(model: Wanting): LoadOptions {
  const { groups, challengers } = candidates(model, available);
  const allowed = (group: readonly Backend[]): readonly Backend[] =>
    withLiar(group, runtime.lying_backend).filter(({ id }) => input.backends.includes(id));
  return {
    open: folder(input.package),
    verdicts: rememberedVerdicts({}, "Node"),
    groups: groups.map(allowed),
    challengers: allowed(challengers),
    now: () => performance.now(),
    pause: noPause,
  };
}

/** Loads a model, and writes down how that went. */
async function loaded<Model>(feature: Feature, loading: Promise<Loaded<Model>>): Promise<Model> {
  const startedMs = performance.now();
  const { model, improve: _, ...on } = await loading;
  loadMs[feature] = performance.now() - startedMs;
  running[feature] = on;
  return model;
}

const TELL = { progress: () => undefined, moved: () => undefined };

/** The answer of one call, by way of the real scheduler. */
function answer<Res>(prepared: Prepared<Res>): Promise<Res> {
  return new Promise((resolve, reject) => {
    const scheduler = new Scheduler<Res>({
      onAnswer: (_, res) => resolve(res),
      onError: (_, error) => reject(new Error(error.message)),
      onFatal: reject,
      onIdle: () => undefined,
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
  const { prepare } = await loaded("moderation", loadModeration(model, optionsFor(model), TELL));
  const scores = async (texts: readonly string[]): Promise<Scores> =>
    (await answer(prepare({ texts, lane: "rest" }))).scores;
  const alone: (readonly number[] | null)[] = [];
  for (const text of input.texts) alone.push(...(await scores([text])));
  return { alone, together: await scores(input.texts) };
}

async function complete(): Promise<readonly Suggestion[]> {
  const model = runtime.models.completion;
  if (model === null) return [];
  const { prepare } = await loaded("completion", loadCompletion(model, optionsFor(model), TELL));
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
process.stdout.write(JSON.stringify({ alone, together, suggestions, running, loadMs }));
