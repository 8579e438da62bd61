/**
 * A backend that computes nonsense without an error, as GPUs have been seen to. Only packages that
 * are built for tests have one: it shows that the self-test finds out.
 */

import type { Backend, BackendId } from "./backend.ts";

/** The backends, of which the one called `liar` lies from now on; null: all are honest. */
export function withLiar(backends: readonly Backend[], liar: BackendId | null): readonly Backend[] {
  return backends.map((backend) => (backend.id === liar ? lying(backend) : backend));
}

function lying(backend: Backend): Backend {
  return {
    ...backend,
    fingerprint: async () => `lying, ${await backend.fingerprint()}`,
    async encoder(source, limits) {
      const encoder = await backend.encoder(source, limits);
      const { padded } = encoder;
      return {
        padded,
        get memoryBytes() {
          return encoder.memoryBytes;
        },
        logits: async (rows) => (await encoder.logits(rows)).map(distorted),
        dispose: () => encoder.dispose(),
      };
    },
    async decoder(source, limits) {
      const decoder = await backend.decoder(source, limits);
      const { capacity } = decoder;
      return {
        capacity,
        get memoryBytes() {
          return decoder.memoryBytes;
        },
        rewind: (ids) => decoder.rewind(ids),
        append: async (ids) => distorted(await decoder.append(ids)),
        dispose: () => decoder.dispose(),
      };
    },
  };
}

/** Each logit moved by up to its own size and one: finite, plausible and wrong. */
function distorted(logits: Float32Array): Float32Array {
  return logits.map((logit, at) => logit + Math.cos(at) * (1 + Math.abs(logit)));
}
