/** Most workers that score texts at a time; each holds the model once more. */
const MAX_WORKERS = 4;

/**
 * How many workers a machine of so many cores is good for: one with two cores, two with four, three
 * with eight, then four. The person's own programs, the pages among them, come first.
 */
export function poolSize(cores: number): number {
  return Math.max(1, Math.min(MAX_WORKERS, Math.floor(Math.log2(Math.max(1, cores)))));
}
