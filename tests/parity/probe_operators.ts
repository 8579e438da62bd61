/**
 * Whether onnxruntime-web can load graphs of one node each.
 *
 * stdin: {operator: [model as base64, …]}, the same operator with inputs of different types
 * stdout: {operator: [what loading ended with, …]}, an empty text where it loaded
 */

import { readFileSync } from "node:fs";

import type * as Ort from "../../extension_src/node_modules/onnxruntime-common/dist/esm/index.js";

// By its address, for beside tests/ there is no node_modules in which its name would be found.
const library = "../../extension_src/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";
const ort = (await import(library)) as typeof Ort;
ort.env.wasm.numThreads = 1;
const models = JSON.parse(readFileSync(0, "utf-8")) as Readonly<Record<string, readonly string[]>>;
const endings: Record<string, string[]> = {};
for (const [operator, variants] of Object.entries(models)) {
  endings[operator] = [];
  for (const variant of variants) endings[operator].push(await load(variant));
}
process.stdout.write(JSON.stringify(endings));

async function load(model: string): Promise<string> {
  try {
    // Unoptimised: an optimiser may fuse the node away, and its operator was the question.
    const options = { graphOptimizationLevel: "disabled", logSeverityLevel: 4 } as const;
    const session = await ort.InferenceSession.create(Buffer.from(model, "base64"), options);
    await session.release();
    return "";
  } catch (error) {
    return String(error);
  }
}
