/**
 * The floors: what one gets without an engine. Matrix-vector products of int8 weights alone, as many
 * and as large as a decoder of this shape needs for one token; attention and norms are left out, so a
 * whole decoder would be slower still. In plain JavaScript, and in C compiled without SIMD.
 */

import { MIN_STEPS } from "./greedy.ts";
import type { Generated, Generating, Opening, Peer } from "./protocol.ts";

const SCALAR_MODULE = "floor.wasm";
const PAGE_BYTES = 65_536;
/** Room for the module's own data and stack below ours. */
const FIRST_BYTE = 16 * PAGE_BYTES;

/** One matrix's place: weights (rows x cols), then scales (rows). */
interface Place {
  readonly rows: number;
  readonly cols: number;
  readonly weights: number;
  readonly scales: number;
}

interface Layout {
  readonly places: readonly Place[];
  readonly x: number;
  readonly y: number;
  readonly bytes: number;
}

type Product = (place: Place) => void;

export async function floorPeer(opening: Opening): Promise<Peer> {
  const layout = plan(opening.matrices);
  const pages = Math.ceil(layout.bytes / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages });
  fill(memory.buffer, layout);
  const product =
    opening.kind === "javascript" ? inJavaScript(memory.buffer, layout) : await inScalarWasm(memory, layout);
  const title = opening.kind === "javascript" ? "JavaScript, int8" : "WASM without SIMD, int8";
  return {
    title,
    async generate(prompt, generating) {
      return timed(prompt.length, generating, () => layout.places.forEach(product));
    },
    async close() {},
  };
}

/** A prompt's tokens are run one by one: their time follows from that of one. */
function timed(promptTokens: number, { steps, maxMs }: Generating, step: () => void): Generated {
  const tokenMs: number[] = [];
  const started = performance.now();
  let before = started;
  while (tokenMs.length < steps && (tokenMs.length < MIN_STEPS || before - started < maxMs)) {
    step();
    const now = performance.now();
    tokenMs.push(now - before);
    before = now;
  }
  return { prefillMs: ((before - started) / tokenMs.length) * promptTokens, tokenMs };
}

function plan(matrices: Opening["matrices"]): Layout {
  let at = FIRST_BYTE;
  const take = (bytes: number): number => {
    const taken = at;
    at += Math.ceil(bytes / 64) * 64;
    return taken;
  };
  const places = matrices.map(([rows, cols]) => ({
    rows,
    cols,
    weights: take(rows * cols),
    scales: take(rows * 4),
  }));
  const x = take(Math.max(...matrices.map(([, cols]) => cols)));
  const y = take(4 * Math.max(...matrices.map(([rows]) => rows)));
  return { places, x, y, bytes: at };
}

/** Small values that differ; a fixed pattern is enough, since no product takes a short cut. */
function fill(buffer: ArrayBuffer, { places, x, y }: Layout): void {
  const bytes = new Int8Array(buffer);
  for (const { rows, cols, weights, scales } of places) {
    for (let at = 0; at < rows * cols; at += 1) bytes[weights + at] = (at * 37) & 127;
    new Float32Array(buffer, scales, rows).fill(0.01);
  }
  for (let at = x; at < y; at += 1) bytes[at] = (at * 11) & 127;
}

function inJavaScript(buffer: ArrayBuffer, layout: Layout): Product {
  const input = new Int8Array(buffer, layout.x);
  const output = new Float32Array(buffer, layout.y);
  return ({ rows, cols, weights, scales }) => {
    const w = new Int8Array(buffer, weights, rows * cols);
    const s = new Float32Array(buffer, scales, rows);
    for (let row = 0; row < rows; row += 1) {
      let sum = 0;
      const first = row * cols;
      for (let k = 0; k < cols; k += 1) sum += (w[first + k] as number) * (input[k] as number);
      output[row] = sum * (s[row] as number);
    }
  };
}

async function inScalarWasm(memory: WebAssembly.Memory, layout: Layout): Promise<Product> {
  const bytes = await (await fetch(new URL(SCALAR_MODULE, self.location.href))).arrayBuffer();
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  const product = instance.exports["product"] as (
    ...values: readonly [number, number, number, number, number, number]
  ) => void;
  return ({ rows, cols, weights, scales }) =>
    product(weights, scales, layout.x, layout.y, rows, cols);
}
