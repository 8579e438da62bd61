/** The worker: its parts put together. It knows no extension API; files are found beside it. */

import runtime from "#runtime";
import type { CompletionRuntime, ModerationRuntime } from "../generated/runtime.ts";
import { pause } from "../lib/pause.ts";
import type { FromWorker, ToWorker } from "../protocol/worker_port.ts";
import { ortWasm } from "./backends/ort_wasm.ts";
import { completionModel, type CompletionModel } from "./completion.ts";
import { Engine } from "./engine.ts";
import { ModelSlot, type Loaded } from "./model_slot.ts";
import { moderationModel, type ModerationModel } from "./moderation.ts";
import { fetchFrom, loadModelBytes, type Progress } from "./shards.ts";
import { tokenVocabulary } from "./tokenizer/byte_vocabulary.ts";
import { parseTokenizer, TextTokenizer } from "./tokenizer/tokenizer.ts";

const STATUS_EVERY_MS = 250;

/** What the global scope of a worker offers and we use; TypeScript's own type excludes the DOM's. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
}
const scope = self as unknown as WorkerScope;

const readFile = fetchFrom(self.location.href);
const backend = ortWasm(new URL("ort/", self.location.href).href);

async function loadModeration(
  model: ModerationRuntime,
  progress: Progress,
): Promise<Loaded<ModerationModel>> {
  const bytes = await loadModelBytes(model.files, readFile, progress);
  const tokenizer = new TextTokenizer(parseTokenizer(bytes.tokenizer));
  const encoder = await backend.encoder(bytes, model.pad_id);
  return { model: moderationModel(model, tokenizer, encoder), backend: backend.name };
}

async function loadCompletion(
  model: CompletionRuntime,
  progress: Progress,
): Promise<Loaded<CompletionModel>> {
  const bytes = await loadModelBytes(model.files, readFile, progress);
  const json = parseTokenizer(bytes.tokenizer);
  const decoder = await backend.decoder(bytes, model);
  const loaded = completionModel(model, new TextTokenizer(json), tokenVocabulary(json), decoder, pause);
  return { model: loaded, backend: backend.name };
}

/** An error that nobody caught ends this worker: the host sees it, and starts another. */
function crash(error: unknown): void {
  setTimeout(() => {
    throw error;
  });
}

const { moderation, completion } = runtime.models;
const now = (): number => performance.now();

const engine = new Engine({
  slots: (changed) => ({
    moderation: new ModelSlot(
      moderation === null ? null : (progress) => loadModeration(moderation, progress),
      now,
      changed,
    ),
    completion: new ModelSlot(
      completion === null ? null : (progress) => loadCompletion(completion, progress),
      now,
      changed,
    ),
  }),
  emit: (message) => scope.postMessage(message),
  onFatal: crash,
  now,
  pause,
  later: (task) => setTimeout(task, STATUS_EVERY_MS),
});

scope.addEventListener("unhandledrejection", (event) => crash(event.reason));
scope.onmessage = (event) => engine.receive(event.data);
