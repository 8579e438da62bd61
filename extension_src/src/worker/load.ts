/** Loads a model: its files, the backend that runs it, and what is built on top of the two. */

import type { CompletionRuntime, ModelFiles, ModerationRuntime } from "../generated/runtime.ts";
import type { Backend, Decoder, Encoder, ModelSource, Net } from "./backends/backend.ts";
import { Chooser, type Chosen } from "./backends/choose.ts";
import { lastingDecoder, lastingEncoder, type Lasting, type Moved } from "./backends/fallback.ts";
import { allowing, parseGolden, testDecoder, testEncoder } from "./backends/golden.ts";
import type { Candidates, Wanting } from "./candidates.ts";
import type { Verdicts } from "./backends/remembered.ts";
import { completionModel, MOST_HEALED_TOKENS, type CompletionModel } from "./completion.ts";
import type { Loaded, Running, Tell } from "./model_slot.ts";
import { moderationModel, type ModerationModel } from "./moderation.ts";
import { PackagedModel, readFile, type OpenFile, type Progress } from "./shards.ts";
import { tokenVocabulary } from "./tokenizer/byte_vocabulary.ts";
import { parseTokenizer, TextTokenizer } from "./tokenizer/tokenizer.ts";

/** `groups` are for a Chooser; `challengers` take over later, if they are better. */
export interface LoadOptions extends Candidates {
  readonly open: OpenFile;
  readonly verdicts: Verdicts;
  readonly now: () => number;
  readonly pause: () => Promise<void>;
}

export async function loadModeration(
  model: ModerationRuntime,
  options: LoadOptions,
  tell: Tell,
): Promise<Loaded<ModerationModel>> {
  const golden = once(async () => parseGolden(await readGolden(model.files, options), "encoder"));
  const thresholds = model.labels.map((label) => model.thresholds[label] ?? NaN);
  const { net, tokenizer, ...rest } = await load<Encoder, TextTokenizer>({
    wanting: model,
    options,
    tell,
    tokenizer: (bytes) => new TextTokenizer(parseTokenizer(bytes)),
    openOn: (backend, source) => backend.encoder(source, model),
    test: async (encoder, { tolerance }) =>
      testEncoder(encoder, allowing(tolerance, await golden()), thresholds),
    choose: lastingEncoder,
  });
  return { model: moderationModel(model, tokenizer, net), ...rest };
}

export async function loadCompletion(
  model: CompletionRuntime,
  options: LoadOptions,
  tell: Tell,
): Promise<Loaded<CompletionModel>> {
  const golden = once(async () => parseGolden(await readGolden(model.files, options), "decoder"));
  const limits = { ...model, cache_tokens: model.context_tokens + MOST_HEALED_TOKENS };
  const { net, tokenizer, ...rest } = await load({
    wanting: model,
    options,
    tell,
    tokenizer: (bytes) => {
      const json = parseTokenizer(bytes);
      return { text: new TextTokenizer(json), vocabulary: tokenVocabulary(json) };
    },
    openOn: (backend, source) => backend.decoder(source, limits),
    test: async (decoder: Decoder, { tolerance }) =>
      testDecoder(decoder, allowing(tolerance, await golden())),
    choose: lastingDecoder,
  });
  const { text, vocabulary } = tokenizer;
  return { model: completionModel(model, text, vocabulary, net, options.pause), ...rest };
}

interface Parts<Any extends Net, Tokenizer> {
  readonly wanting: Wanting;
  readonly options: LoadOptions;
  readonly tell: Tell;
  readonly tokenizer: (bytes: Uint8Array) => Tokenizer;
  readonly openOn: (backend: Backend, source: ModelSource) => Promise<Any>;
  readonly test: (net: Any, backend: Backend) => Promise<void>;
  readonly choose: (chooser: Chooser<Any>, moved: Moved<Any>) => Promise<Lasting<Any>>;
}

/** `improve` lets the challengers try; it resolves when one has taken over, or none. */
interface Made<Any extends Net, Tokenizer> extends Running {
  readonly net: Any;
  readonly tokenizer: Tokenizer;
  readonly improve: () => Promise<void>;
}

async function load<Any extends Net, Tokenizer>(
  parts: Parts<Any, Tokenizer>,
): Promise<Made<Any, Tokenizer>> {
  const { wanting, options, tell } = parts;
  const { files } = wanting;
  /** A challenger is loaded while the model is in use, which no progress bar needs to know. */
  let progress = tell.progress;
  let opens = (): void => undefined;
  const firstOpening = new Promise<void>((resolve) => {
    opens = resolve;
  });
  const chooser = new Chooser<Any>({
    ...options,
    measured: wanting.webgpu === "measure" && options.challengers.length > 0,
    model: files.sha256,
    open: (backend) => {
      const opening = openOn(backend, parts, progress);
      opens();
      return opening;
    },
    test: parts.test,
  });
  const running = ({ backend, net }: Pick<Chosen<Any>, "backend" | "net">): Running => ({
    backend: backend.name,
    memoryBytes: net.memoryBytes,
    demoted: chooser.demoted,
  });
  // The tokenizer is parsed while the weights come in, and not before: they take longest.
  const choosing = parts.choose(chooser, (to) => tell.moved(running(to)));
  const reading = Promise.all([readFile(files.tokenizer, options.open), firstOpening]).then(([bytes]) =>
    parts.tokenizer(bytes),
  );
  try {
    const [tokenizer, { net, incumbent }] = await Promise.all([reading, choosing]);
    const improve = async (): Promise<void> => {
      if (options.challengers.length === 0) return;
      progress = () => undefined;
      const better = await chooser.challenge(options.challengers, incumbent.chosen);
      progress = tell.progress;
      if (better !== null) return incumbent.adopt(better);
      tell.moved(running(incumbent.chosen)); // nowhere, but who was given up is news
    };
    return { net, tokenizer, improve, ...running(incumbent.chosen) };
  } catch (error) {
    choosing.then(({ net }) => net.dispose()).catch(() => undefined); // `error` says what matters
    throw error;
  }
}

/** One try of one backend. When it fails, nothing of it goes on. */
async function openOn<Any extends Net, Tokenizer>(
  backend: Backend,
  { wanting: { files }, options, openOn: open }: Parts<Any, Tokenizer>,
  progress: Progress,
): Promise<Any> {
  const totalBytes = backend.packed(files).reduce((sum, { bytes }) => sum + bytes, 0);
  const source = new PackagedModel(files, options.open, totalBytes, progress);
  try {
    return await open(backend, source);
  } catch (error) {
    source.abort(new Error(`${backend.id} was given up`));
    throw error;
  }
}

/** What `make` gives at the first call, at every call. */
function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | null = null;
  return () => (made ??= make());
}

/** Needed at the first start only: later ones remember what the self-test found. */
function readGolden(files: ModelFiles, { open }: LoadOptions): Promise<Uint8Array> {
  return readFile(files.golden, open);
}
