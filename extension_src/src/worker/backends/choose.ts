/**
 * Which backend runs a model: never one that has not shown on this machine that it computes rightly.
 *
 *   group by group ─▶ each member: open ─▶ self-test ─▶ measure ─▶ the fastest is chosen
 *                        │           │                    (remembered, with the verdict)
 *                        └───────────┴──▶ demoted, with the reason
 *
 * Members of a group compete; a later group is for when nobody of the earlier ones is left. What a
 * self-test found is remembered, so that later starts open the chosen one at once. What cannot be
 * opened is tried again at the next start, since the reason (memory, say) may be gone by then.
 * At any time at most one is open: a model is large. Only a challenger, one that takes long to get
 * ready, is opened and tested beside the chosen one, which serves meanwhile.
 */

import { percentile } from "../../lib/percentile.ts";
import type { DemotedBackend, DemotionCause } from "../../protocol/messages.ts";
import { BackendLost, PackageBroken, type Backend, type Net } from "./backend.ts";
import type { Verdict, Verdicts } from "./remembered.ts";

/** A member must be this much faster than the best of those before it in its group to be chosen. */
const LEAST_GAIN = 0.15;
/** Measuring one backend ends with the run in which this is reached, or after `MOST_RUNS`. */
const MEASURED_MS = 40;
const MOST_RUNS = 5;
/**
 * A self-test that never ended may mean a browser that was closed meanwhile, so that it gets a
 * second chance; but not at the start right after it.
 */
const MOST_DEATHS = 2;

export interface Contest<Any extends Net> {
  readonly groups: readonly (readonly Backend[])[];
  /** Whether the chosen one is measured even without a competitor, for a challenger to beat. */
  readonly measured: boolean;
  /** Hash of the model's files. */
  readonly model: string;
  readonly open: (backend: Backend) => Promise<Any>;
  /** Rejects if anything that it computes is wrong. Also what is measured. */
  readonly test: (net: Any, backend: Backend) => Promise<void>;
  readonly verdicts: Verdicts;
  readonly now: () => number;
}

/** One that has passed; `ms` is null if it was not measured. */
interface Passed {
  readonly backend: Backend;
  readonly ms: number | null;
}

export interface Chosen<Any extends Net> extends Passed {
  readonly net: Any;
}

export class Chooser<Any extends Net> {
  readonly #contest: Contest<Any>;
  readonly #demoted: DemotedBackend[] = [];
  #open: { readonly backend: Backend; readonly net: Any } | null = null;

  constructor(contest: Contest<Any>) {
    this.#contest = contest;
  }

  /** Who was given up so far, in that order. */
  get demoted(): readonly DemotedBackend[] {
    return [...this.#demoted];
  }

  /** The best of those that have not been given up. Rejects, with all reasons, if none is left. */
  async choose(): Promise<Chosen<Any>> {
    for (const group of this.#contest.groups) {
      const chosen = await this.#bestOf(group.filter((backend) => !this.#isDemoted(backend)));
      if (chosen !== null) return chosen;
    }
    const reasons = this.#demoted.map(({ backend, reason }) => `${backend}: ${reason}`);
    throw new Error(`no backend can run this model: ${reasons.join("; ") || "the package has none"}`);
  }

  /**
   * The first of `challengers` that passes and, if its contest is measured, is that much faster than
   * the one that is `chosen`. Null: there is none, and all is as before. What wins has been tested
   * just now, also if it passed before: its first run, which may make seconds of shaders, is done.
   */
  async challenge(
    challengers: readonly Backend[],
    chosen: Chosen<Any>,
  ): Promise<Chosen<Any> | null> {
    const { measured, verdicts } = this.#contest;
    const wins = (one: Passed): boolean => !measured || preferred([chosen, one]) === one;
    for (const backend of challengers) {
      if (backend === chosen.backend || this.#isDemoted(backend)) continue;
      try {
        const found = await verdicts.exclusively("challengers", () =>
          this.#judge(backend, measured, wins),
        );
        const better = found !== null && wins(found) ? await this.#opened(found) : null;
        if (better !== null) return better;
      } catch (error) {
        if (!(error instanceof PackageBroken)) throw error;
        this.demote(backend, "unavailable", error.message); // `chosen` needs none of its files
      }
      await this.#close();
    }
    return null;
  }

  /** Gives up a backend that was chosen before; `choose` then gives the next best. */
  demote(backend: Backend, cause: DemotionCause, reason: string): void {
    this.#demoted.push({ backend: backend.id, cause, reason });
  }

  #isDemoted({ id }: Backend): boolean {
    return this.#demoted.some(({ backend }) => backend === id);
  }

  async #bestOf(group: readonly Backend[]): Promise<Chosen<Any> | null> {
    const competes = group.length > 1 || this.#contest.measured;
    const passed: Passed[] = [];
    await this.#contest.verdicts.exclusively("starts", async () => {
      // The preferred one last: it is likely to be chosen, and is open then.
      for (const backend of group.toReversed()) {
        const found = await this.#judge(backend, competes);
        if (found !== null) passed.unshift(found);
      }
    });
    for (let best = preferred(passed); best !== undefined; best = preferred(passed)) {
      const chosen = await this.#opened(best);
      if (chosen !== null) return chosen;
      passed.splice(passed.indexOf(best), 1);
    }
    return null;
  }

  /** What is known of a backend, or else found by testing it, `anew` if so. Null: demoted. */
  async #judge(
    backend: Backend,
    competes: boolean,
    anew: (known: Passed) => boolean = () => false,
  ): Promise<Passed | null> {
    const key = `${this.#contest.model} ${backend.id} ${await backend.fingerprint()}`;
    const known = await this.#contest.verdicts.get(key);
    switch (known?.state) {
      case "passed":
        if (competes && known.ms === null) break;
        if (anew({ backend, ms: known.ms })) break;
        return { backend, ms: known.ms };
      case "failed":
        this.demote(backend, "wrong", known.reason);
        return null;
      case "testing":
        await this.#contest.verdicts.set(key, { state: "died", deaths: known.deaths + 1 });
        this.demote(backend, "died", "did not survive its self-test");
        return null;
      case "died":
        if (known.deaths < MOST_DEATHS) break;
        this.demote(backend, "died", `did not survive its self-test, ${known.deaths} times`);
        return null;
    }
    return this.#test(backend, key, known, competes);
  }

  async #test(
    backend: Backend,
    key: string,
    known: Verdict | null,
    competes: boolean,
  ): Promise<Passed | null> {
    const { verdicts, test } = this.#contest;
    await this.#close();
    await verdicts.set(key, { state: "testing", deaths: known?.state === "died" ? known.deaths : 0 });
    const forget = (): Promise<void> =>
      known === null ? verdicts.delete(key) : verdicts.set(key, known);
    try {
      this.#open = { backend, net: await this.#contest.open(backend) };
    } catch (error) {
      await forget();
      this.#giveUp(backend, "unavailable", error);
      return null;
    }
    const { net } = this.#open;
    try {
      await test(net, backend);
      const before = known?.state === "passed" ? known.ms : null;
      const ms = before ?? (competes ? await this.#measured(net, backend) : null);
      await verdicts.set(key, { state: "passed", ms });
      return { backend, ms };
    } catch (error) {
      await this.#close();
      const isLost = error instanceof BackendLost && error.passing;
      const isWrong = !(isLost || error instanceof PackageBroken);
      if (isWrong) await verdicts.set(key, { state: "failed", reason: messageOf(error) });
      else await forget();
      this.#giveUp(backend, isWrong ? "wrong" : "lost", error);
      return null;
    }
  }

  /** Median time of the test, ms. The first run, which warms it up, is not among them. */
  async #measured(net: Any, backend: Backend): Promise<number> {
    const { now, test } = this.#contest;
    const startedMs = now();
    const runsMs: number[] = [];
    do {
      const runMs = now();
      await test(net, backend);
      runsMs.push(now() - runMs);
    } while (runsMs.length < MOST_RUNS && now() - startedMs < MEASURED_MS);
    return percentile(runsMs, 0.5) ?? Infinity;
  }

  /** One that has passed, open, and the caller's from now on. Null: it could not be opened again. */
  async #opened(passed: Passed): Promise<Chosen<Any> | null> {
    const { backend } = passed;
    if (this.#open?.backend === backend) {
      const { net } = this.#open;
      this.#open = null;
      return { ...passed, net };
    }
    await this.#close();
    try {
      return { ...passed, net: await this.#contest.open(backend) };
    } catch (error) {
      this.#giveUp(backend, "unavailable", error);
      return null;
    }
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    // One that was just found to be broken may fail at this, too.
    await open?.net.dispose().catch(() => undefined);
  }

  /** A broken package is nobody's fault here, and fails the model. */
  #giveUp(backend: Backend, cause: DemotionCause, error: unknown): void {
    if (error instanceof PackageBroken) throw error;
    this.demote(backend, cause, messageOf(error));
  }
}

/** The first, unless a later one is so much faster; undefined if there is none. */
export function preferred(passed: readonly Passed[]): Passed | undefined {
  return passed
    .slice(1)
    .reduce(
      (best, one) =>
        (one.ms ?? Infinity) < (best?.ms ?? Infinity) * (1 - LEAST_GAIN) ? one : best,
      passed[0],
    );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
