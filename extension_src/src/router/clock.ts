/** Time as the host page needs it; a test brings its own. */
export interface Clock {
  /** Milliseconds from some moment; never goes backwards. */
  now(): number;
  /** Runs `task` once, `ms` from now or later. Calling the result first keeps it from running. */
  after(ms: number, task: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
};
