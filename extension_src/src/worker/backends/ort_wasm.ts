/**
 * ONNX Runtime Web on WebAssembly: the only file that imports onnxruntime-web.
 *
 * One thread: Firefox has no SharedArrayBuffer in extensions, and in Chrome more threads made the
 * median twice as bad on two contended cores. A run blocks the worker until it is done.
 */

import * as ort from "onnxruntime-web/wasm";

import type { ModelBytes } from "../shards.ts";
import type { Backend, Decoder, DecoderShape, Encoder } from "./backend.ts";
import { appended, commonPrefix, emptyCache, rewound, type Cache } from "./cache.ts";

/** Where a graph says that its weights are. */
const WEIGHTS_LOCATION = "weights.bin";

/** `wasmFolder`: address of the folder with onnxruntime's own .mjs and .wasm, with its last slash. */
export function ortWasm(wasmFolder: string): Backend {
  ort.env.wasm.wasmPaths = wasmFolder;
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  let opening: Promise<unknown> = Promise.resolve();

  /**
   * One at a time: the runtime mounts external data in one table by path, and clears the table when
   * a session is made. Two that are made at once would lose their weights, or get each other's.
   */
  function openNext(bytes: ModelBytes): Promise<ort.InferenceSession> {
    const opened = opening.then(() => open(bytes));
    opening = opened.catch(() => undefined);
    return opened;
  }

  return {
    name: "onnxruntime-web, wasm, 1 thread",
    encoder: async (bytes, padId) => encoder(await openNext(bytes), padId),
    decoder: async (bytes, shape) => decoder(await openNext(bytes), shape),
  };
}

function open({ graph, weights }: ModelBytes): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(graph, {
    executionProviders: ["wasm"],
    externalData: [{ path: WEIGHTS_LOCATION, data: weights }],
  });
}

function ids64(ids: readonly number[], dims: readonly number[]): ort.Tensor {
  return new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), dims);
}

function floats(outputs: ort.InferenceSession.OnnxValueMapType, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`${name}: must be a float32 output of the graph`);
  return data;
}

function encoder(session: ort.InferenceSession, padId: number): Encoder {
  return {
    async logits(rows) {
      const width = Math.max(...rows.map((row) => row.length));
      const dims = [rows.length, width];
      const padding = (row: readonly number[]): number[] => Array(width - row.length).fill(padId);
      const outputs = await session.run({
        input_ids: ids64(rows.flatMap((row) => [...row, ...padding(row)]), dims),
        attention_mask: ids64(
          rows.flatMap((row) => Array.from({ length: width }, (_, at) => Number(at < row.length))),
          dims,
        ),
      });
      const flat = floats(outputs, "logits"); // (rows, labels)
      const labels = flat.length / rows.length;
      return rows.map((_, at) => flat.slice(at * labels, (at + 1) * labels));
    },
    dispose: () => session.release(),
  };
}

function decoder(session: ort.InferenceSession, shape: DecoderShape): Decoder {
  let cache: Cache = emptyCache(shape);
  return {
    rewind(ids) {
      const keep = Math.min(commonPrefix(cache.ids, ids), ids.length - 1);
      cache = rewound(cache, keep, shape);
      return keep;
    },
    async append(ids) {
      const past = cache.ids.length;
      const feeds: Record<string, ort.Tensor> = {
        input_ids: ids64(ids, [1, ids.length]),
        position_ids: ids64(Array.from(ids, (_, at) => past + at), [1, ids.length]),
        logits_index: ids64([ids.length - 1], [1]),
      };
      const dims = [1, shape.kv_heads, past, shape.head_dim];
      for (const [layer, { key, value }] of cache.layers.entries()) {
        feeds[`past_key_values.${layer}.key`] = new ort.Tensor("float32", key, dims);
        feeds[`past_key_values.${layer}.value`] = new ort.Tensor("float32", value, dims);
      }
      const outputs = await session.run(feeds);
      const layers = cache.layers.map((_, layer) => ({
        key: floats(outputs, `present.${layer}.key`),
        value: floats(outputs, `present.${layer}.value`),
      }));
      cache = appended(cache, ids, layers);
      return floats(outputs, "logits"); // (1, 1, vocab)
    },
    dispose: () => session.release(),
  };
}
