import type { Generated, Generating } from "./protocol.ts";
import { best } from "./tokens.ts";

/** Fewer would make a median of chance. */
export const MIN_STEPS = 3;

/**
 * Reads the prompt and goes on greedily, with times around each run. `append` runs the model on
 * more tokens and gives the logits after the last; choosing the next is timed with it.
 */
export async function greedy(
  prompt: readonly number[],
  { steps, maxMs }: Generating,
  append: (ids: readonly number[]) => Promise<Float32Array>,
): Promise<Generated> {
  const started = performance.now();
  let next = best(await append(prompt));
  const read = performance.now();
  const tokenMs: number[] = [];
  let before = read;
  while (tokenMs.length < steps && (tokenMs.length < MIN_STEPS || before - read < maxMs)) {
    next = best(await append([next]));
    const now = performance.now();
    tokenMs.push(now - before);
    before = now;
  }
  return { prefillMs: read - started, tokenMs };
}
