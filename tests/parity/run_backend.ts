/**
 * The engine's backends in Node, on a Program by itself.
 *
 * stdin: {folder, engine: file entries by variant, files: of an encoder or a decoder,
 *   rows: encoder rows or null, limits: of the run, texts: decoder texts, each given after the last}
 * stdout: {backend id: {logits: rows, memoryBytes}}: of each row, or after each text.
 */

import { readFileSync } from "node:fs";

import type { EngineVariants, ModelFiles } from "../../extension_src/src/generated/runtime.ts";
import type { Backend, DecoderLimits, EncoderLimits } from "../../extension_src/src/worker/backends/backend.ts";
import { PackagedModel } from "../../extension_src/src/worker/shards.ts";
import { engineOf, folder } from "./node_host.ts";

type Rows = readonly (readonly number[])[];
interface Input {
  readonly folder: string;
  readonly engine: EngineVariants;
  readonly files: ModelFiles;
  readonly encoder: EncoderLimits | null;
  readonly decoder: DecoderLimits | null;
  readonly rows: Rows;
}
interface Output {
  readonly logits: Rows;
  readonly memoryBytes: number | null;
}

const input = JSON.parse(readFileSync(0, "utf-8")) as Input;

async function run(backend: Backend): Promise<Output> {
  const source = new PackagedModel(input.files, folder(input.folder), 0, () => undefined);
  if (input.encoder !== null) {
    const encoder = await backend.encoder(source, input.encoder);
    const logits = await encoder.logits(input.rows);
    await encoder.dispose();
    return { logits: logits.map((row) => [...row]), memoryBytes: encoder.memoryBytes };
  }
  if (input.decoder === null) throw new Error("neither an encoder nor a decoder");
  const decoder = await backend.decoder(source, input.decoder);
  const logits: (readonly number[])[] = [];
  for (const ids of input.rows) logits.push([...(await decoder.append(ids.slice(decoder.rewind(ids))))]);
  await decoder.dispose();
  return { logits, memoryBytes: decoder.memoryBytes };
}

const found: Record<string, Output> = {};
for (const backend of engineOf(input.engine, input.folder)) found[backend.id] = await run(backend);
process.stdout.write(JSON.stringify(found));
