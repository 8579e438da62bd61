/**
 * Lets the event loop run once, so that messages which came in meanwhile are handled.
 *
 * A message channel, not a timer: nested timers are clamped to 4 ms, the price of a whole token.
 */
export function pause(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
