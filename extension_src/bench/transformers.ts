/** The peer @huggingface/transformers: its own model classes and generation loop, 8-bit, WASM. */

import { MIN_STEPS } from "./greedy.ts";
import type { Opening, Peer } from "./protocol.ts";

const LIBRARY = "/npm/@huggingface/transformers/dist/transformers.min.js";
const WASM_FOLDER = "/npm/onnxruntime-web/dist/";

type Tensor = object;
interface Model {
  (inputs: Record<string, Tensor>): Promise<unknown>;
  generate(options: object): Promise<unknown>;
  dispose(): Promise<unknown>;
}
interface ModelClass {
  from_pretrained(name: string, options: object): Promise<Model>;
}
interface Library {
  readonly env: {
    version: string;
    allowRemoteModels: boolean;
    allowLocalModels: boolean;
    localModelPath: string;
    useBrowserCache: boolean;
    useWasmCache: boolean;
    readonly backends: { readonly onnx: { readonly wasm: { wasmPaths: string; numThreads: number } } };
  };
  readonly Tensor: new (type: string, data: BigInt64Array, dims: readonly number[]) => Tensor;
  readonly AutoModelForCausalLM: ModelClass;
  readonly AutoModelForSequenceClassification: ModelClass;
}

export async function transformersPeer(opening: Opening): Promise<Peer> {
  const address = new URL(LIBRARY, self.location.href).href;
  const library = (await import(address)) as Library;
  const { env } = library;
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.useBrowserCache = false;
  env.useWasmCache = false;
  const at = opening.model.replace(/\/$/, "").lastIndexOf("/") + 1;
  env.localModelPath = opening.model.slice(0, at);
  env.backends.onnx.wasm.wasmPaths = new URL(WASM_FOLDER, self.location.href).href;
  env.backends.onnx.wasm.numThreads = opening.threads;
  const made = opening.task === "moderation" ? library.AutoModelForSequenceClassification : library.AutoModelForCausalLM;
  const name = opening.model.slice(at).replace(/\/$/, "");
  const model = await made.from_pretrained(name, { dtype: "q8", device: "wasm", local_files_only: true });
  const tensor = (values: readonly number[], dims: readonly number[]): Tensor =>
    new library.Tensor("int64", BigInt64Array.from(values, BigInt), dims);
  const title = `transformers.js ${env.version}, ${opening.threads} thread(s)`;
  const close = async (): Promise<void> => void (await model.dispose());

  if (opening.task === "moderation") {
    return {
      title,
      close,
      async encode(rows) {
        const started = performance.now();
        const dims = [rows.length, rows[0]?.length ?? 0];
        const ids = rows.flat();
        await model({
          input_ids: tensor(ids, dims),
          attention_mask: tensor(ids.map(() => 1), dims),
          token_type_ids: tensor(ids.map(() => 0), dims),
        });
        return performance.now() - started;
      },
    };
  }
  return {
    title,
    close,
    async generate(prompt, { steps }) {
      const dims = [1, prompt.length];
      const times: number[] = [];
      let prompted = false;
      const started = performance.now();
      const streamer = {
        put: (): void => {
          // The first call brings the prompt itself.
          if (prompted) times.push(performance.now());
          prompted = true;
        },
        end: (): void => undefined,
      };
      await model.generate({
        inputs: tensor(prompt, dims),
        attention_mask: tensor(prompt.map(() => 1), dims),
        max_new_tokens: Math.max(steps, MIN_STEPS) + 1,
        do_sample: false,
        streamer,
      });
      const [first, ...rest] = times;
      if (first === undefined) throw new Error("transformers.js generated nothing");
      return { prefillMs: first - started, tokenMs: rest.map((time, index) => time - (times[index] ?? 0)) };
    },
  };
}
