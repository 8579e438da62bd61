/** The page that the benchmark drives: a worker for each peer, asked one thing at a time. */

import type { Answer, Command } from "./protocol.ts";

declare global {
  /** Called by extbuild/bench/in_browser.py. */
  var bench: (command: Command) => Promise<Answer>;
}

const workers = new Map<string, Worker>();

function workerOf(peer: string): Worker {
  const known = workers.get(peer);
  if (known !== undefined) return known;
  const made = new Worker("worker.js", { type: "module", name: peer });
  workers.set(peer, made);
  return made;
}

globalThis.bench = async (command) => {
  const worker = workerOf(command.peer);
  const answer = await new Promise<Answer>((resolve) => {
    worker.onmessage = (event: MessageEvent<Answer>) => resolve(event.data);
    worker.onerror = (event) => resolve({ value: null, error: event.message || "the worker did not start" });
    worker.postMessage(command);
  });
  if (command.name === "close" || (command.name === "open" && answer.error !== null)) {
    worker.terminate();
    workers.delete(command.peer);
  }
  return answer;
};
