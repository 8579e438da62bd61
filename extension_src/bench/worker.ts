/** One peer in a worker of its own, as the extension has one for its models. */

import { enginePeer } from "./engine.ts";
import { floorPeer } from "./floors.ts";
import { ortPeer } from "./ort.ts";
import type { Answer, Command, Opening, Peer } from "./protocol.ts";
import { tokenIds } from "./tokens.ts";
import { transformersPeer } from "./transformers.ts";
import { wllamaPeer } from "./wllama.ts";

interface WorkerScope {
  onmessage: ((event: MessageEvent<Command>) => void) | null;
  postMessage(message: Answer): void;
}
const scope = self as unknown as WorkerScope;

let peer: Peer | null = null;
let vocab = 0;

function open(opening: Opening): Promise<Peer> {
  switch (opening.kind) {
    case "engine":
      return enginePeer(opening);
    case "onnxruntime-web":
      return ortPeer(opening);
    case "transformers.js":
      return transformersPeer(opening);
    case "wllama":
      return wllamaPeer(opening);
    case "javascript":
    case "scalar":
      return floorPeer(opening);
  }
}

async function run(command: Command): Promise<(Answer & { error: null })["value"]> {
  if (command.name === "open") {
    vocab = command.opening.vocab;
    peer = await open(command.opening);
    return peer.title;
  }
  if (peer === null) throw new Error("no model was opened");
  switch (command.name) {
    case "generate": {
      if (peer.generate === undefined) throw new Error(`${peer.title} has no decoder`);
      const { seed, promptTokens } = command.generating;
      return await peer.generate(tokenIds(seed, promptTokens, vocab), command.generating);
    }
    case "encode": {
      if (peer.encode === undefined) throw new Error(`${peer.title} has no encoder`);
      const { seed, texts, tokens } = command.encoding;
      const rows = Array.from({ length: texts }, (_, at) => tokenIds(seed + at, tokens, vocab));
      return await peer.encode(rows);
    }
    case "memory":
      return peer.memory?.() ?? {};
    case "close":
      await peer.close();
      peer = null;
      return null;
  }
}

scope.onmessage = (event) => {
  run(event.data).then(
    (value) => scope.postMessage({ value, error: null }),
    (error: unknown) => scope.postMessage({ value: null, error: String(error) }),
  );
};
