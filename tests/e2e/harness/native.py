"""The same questions answered without a browser: native ONNX Runtime on the same packed bytes."""

from collections.abc import Sequence

from extbuild.artifacts import CompiledModel
from extbuild.bench.native import tokenizer_of
from extbuild.config.runtime import CompletionRuntime, ModerationRuntime
from extbuild.evaluate.moderation import classify
from extbuild.evaluate.session import DecoderSession
from extbuild.evaluate.settings import settings_from_runtime
from extbuild.evaluate.suggest import Limits, Parts, Suggestion, suggest
from extbuild.evaluate.vocabulary import token_vocabulary


def scores(
    runtime: ModerationRuntime, compiled: CompiledModel, texts: Sequence[str]
) -> list[list[float] | None]:
    """Probabilities per label of each text by itself; None where the model abstains."""
    settings = settings_from_runtime(runtime)
    verdicts = [classify(compiled, settings, [text])[0] for text in texts]
    return [
        None if verdict.abstained else [verdict.scores[label] for label in runtime.labels]
        for verdict in verdicts
    ]


def suggestions(
    runtime: CompletionRuntime,
    compiled: CompiledModel,
    prompts: Sequence[str],
    min_confidence: float,
) -> list[Suggestion]:
    """What a fresh engine offers for one prompt after the other."""
    settings = settings_from_runtime(runtime)
    tokenizer = tokenizer_of(compiled)
    parts = Parts(
        decoder=DecoderSession(compiled, settings),
        encode=lambda text: tokenizer.encode(text).ids,
        vocabulary=token_vocabulary(compiled.tokenizer_json),
        bos_id=runtime.bos_id,
    )
    limits = Limits(
        runtime.context_tokens, runtime.max_new_tokens, runtime.max_words, min_confidence
    )
    return [suggest(prompt, "", limits, parts) for prompt in prompts]
