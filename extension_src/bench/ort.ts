/**
 * The peer onnxruntime-web, WASM, as fast as it goes: what a run gives for the cache is what the
 * next run is given, as it is, without a copy of ours.
 */

import { greedy } from "./greedy.ts";
import type { Opening, Peer } from "./protocol.ts";

/** Where the server keeps onnxruntime-web's own files. */
const FOLDER = "/ort/";
const WEIGHTS_LOCATION = "weights.bin";

interface OrtTensor {
  readonly data: unknown;
}
interface OrtSession {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}
interface OrtModule {
  readonly env: { logLevel: string; readonly wasm: { wasmPaths: string; numThreads: number } };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(graph: Uint8Array, options: object): Promise<OrtSession>;
  };
}

export async function ortPeer(opening: Opening): Promise<Peer> {
  const folder = new URL(FOLDER, self.location.href).href;
  const address = `${folder}ort.wasm.min.mjs`;
  const ort = (await import(address)) as OrtModule;
  ort.env.logLevel = "error";
  ort.env.wasm.wasmPaths = folder;
  ort.env.wasm.numThreads = opening.threads;
  const read = async (file: string): Promise<Uint8Array> => {
    const response = await fetch(new URL(file, opening.model));
    if (!response.ok) throw new Error(`${file}: HTTP status ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  const [graph, data] = await Promise.all([read("graph.onnx"), read("weights.bin")]);
  const session = await ort.InferenceSession.create(graph, {
    executionProviders: ["wasm"],
    externalData: [{ path: WEIGHTS_LOCATION, data }],
  });
  const ids64 = (ids: readonly number[], dims: readonly number[]): OrtTensor =>
    new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), dims);
  const title = `onnxruntime-web, ${opening.threads} thread(s)`;
  const close = (): Promise<void> => session.release();

  if (opening.task === "moderation") {
    return {
      title,
      close,
      async encode(rows) {
        const started = performance.now();
        const dims = [rows.length, rows[0]?.length ?? 0];
        const ids = rows.flat();
        await session.run({
          input_ids: ids64(ids, dims),
          attention_mask: ids64(ids.map(() => 1), dims),
        });
        return performance.now() - started;
      },
    };
  }

  const { layers, kv_heads, head_dim } = opening.limits;
  const names = Array.from({ length: layers }, (_, layer) =>
    ["key", "value"].map((kind) => `${layer}.${kind}`),
  ).flat();
  return {
    title,
    close,
    generate(prompt, generating) {
      let past = 0;
      const empty = new ort.Tensor("float32", new Float32Array(0), [1, kv_heads, 0, head_dim]);
      let cache = names.map(() => empty);
      return greedy(prompt, generating, async (ids) => {
        const feeds: Record<string, OrtTensor> = {
          input_ids: ids64(ids, [1, ids.length]),
          position_ids: ids64(ids.map((_, at) => past + at), [1, ids.length]),
          logits_index: ids64([ids.length - 1], [1]),
        };
        for (const [at, name] of names.entries()) feeds[`past_key_values.${name}`] = cache[at] ?? empty;
        const outputs = await session.run(feeds);
        cache = names.map((name) => outputs[`present.${name}`] ?? empty);
        past += ids.length;
        const logits = outputs["logits"]?.data;
        if (!(logits instanceof Float32Array)) throw new Error("logits: must be float32");
        return logits;
      });
    },
  };
}
