/**
 * Makes one run of the calls that come in one go: in a microtask, so after all of them and still
 * before anything is painted.
 */
export function together(run: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      run();
    });
  };
}
