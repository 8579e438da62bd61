/** A two-way channel between contexts, as little of it as we need, so that a fake is ten lines. */
export interface Port<In, Out> {
  /** Sends; throws or drops silently once the other end is gone (then `onClose` has been or will be called). */
  post(message: Out): void;
  /** Messages that arrive; set once, before the first `post`. */
  onMessage(listener: (message: In) => void): void;
  /** Called once when the other end goes away, not when this end calls `close`. */
  onClose(listener: () => void): void;
  close(): void;
}
