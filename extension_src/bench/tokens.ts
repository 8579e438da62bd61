/** Token ids for measurements: time depends on how many there are, not on which. */

/** Ids below this one are left out: they are special in most vocabularies. */
const FIRST_ID = 300;

/** `length` ids below `vocab`, unlike for unlike seeds from the first on. */
export function tokenIds(seed: number, length: number, vocab: number): number[] {
  const room = vocab - FIRST_ID;
  if (room < 1) throw new Error(`vocab: must be more than ${FIRST_ID}, got ${vocab}`);
  return Array.from({ length }, (_, at) => FIRST_ID + ((seed * 7919 + at * 104_729) % room));
}

/** Index of the largest value; the lowest of equals. */
export function best(values: Float32Array): number {
  let at = 0;
  let most = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? Number.NEGATIVE_INFINITY;
    if (value > most) {
      most = value;
      at = index;
    }
  }
  return at;
}
