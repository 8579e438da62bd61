"""The extension's peer: native ONNX Runtime in Python, one thread, the same algorithm.

It runs the models of the package that was built without the engine: the same quantised weights.

It runs as fast as it can, with the kernels that it takes by itself on this processor; the
evaluation asks for slower, exact ones. Tokenising is timed on both sides. What the extension has
and the peer has not is the way there and back: two messages of a few hundred bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Self

from tokenizers import Tokenizer

from extbuild.artifacts import CompiledModel
from extbuild.bench.rows import Sample
from extbuild.bench.shapes import (
    BATCHES,
    MAX_WORDS,
    PROMPT_SHAPE,
    batch_shape,
    batches,
    next_keystroke,
    prompts,
)
from extbuild.config.runtime import CompletionRuntime, ModerationRuntime
from extbuild.evaluate.moderation import decide, plan_batches
from extbuild.evaluate.session import DecoderSession, EncoderSession, Float32
from extbuild.evaluate.settings import settings_from_runtime
from extbuild.evaluate.suggest import Limits, Parts, suggest
from extbuild.evaluate.vocabulary import token_vocabulary


def tokenizer_of(compiled: CompiledModel) -> Tokenizer:
    """The packed tokenizer, as it is used: nothing padded or cut off by itself."""
    tokenizer = Tokenizer.from_str(compiled.tokenizer_json.decode())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def measure_moderation(
    runtime: ModerationRuntime, compiled: CompiledModel, turn: int
) -> list[Sample]:
    """Time per text in batches of each size, cut up as the extension does."""
    settings = settings_from_runtime(runtime)
    tokenizer = tokenizer_of(compiled)
    session = EncoderSession(compiled, settings, exact=False)

    def score(texts: Sequence[str]) -> None:
        ids = [tokenizer.encode(text).ids for text in texts]
        for batch in plan_batches([len(row) for row in ids], settings.batch_tokens):
            for logits in session.logits([ids[index] for index in batch]):
                decide(logits, settings)

    samples = []
    for size in BATCHES:
        _, *timed = [_ms(partial(score, texts)) / size for texts in batches(tokenizer, size, turn)]
        samples.append(_sample("moderation", timed, batch_shape(size), "per text"))
    return samples


@dataclass
class Counting:
    """A decoder that counts how often it runs."""

    inner: DecoderSession
    steps: int = 0

    @property
    def capacity(self) -> int:
        """As the decoder inside."""
        return self.inner.capacity

    def rewind(self, ids: Sequence[int]) -> int:
        """As the decoder inside."""
        return self.inner.rewind(ids)

    def append(self, ids: Sequence[int]) -> Float32:
        """As the decoder inside, and one step more."""
        self.steps += 1
        return self.inner.append(ids)


@dataclass(frozen=True, slots=True)
class Engine:
    """A completion model ready to be asked, and its decoder."""

    decoder: Counting
    parts: Parts
    usual: Limits
    endless: Limits

    @classmethod
    def open(cls, runtime: CompletionRuntime, compiled: CompiledModel, *, exact: bool) -> Self:
        """``endless``: ended by nothing but ``max_new_tokens`` and the end of the text."""
        settings = settings_from_runtime(runtime)
        tokenizer = tokenizer_of(compiled)
        decoder = Counting(DecoderSession(compiled, settings, exact=exact))
        parts = Parts(
            decoder=decoder,
            encode=lambda text: tokenizer.encode(text).ids,
            vocabulary=token_vocabulary(compiled.tokenizer_json),
            bos_id=settings.bos_id,
        )
        room = (settings.context_tokens, settings.max_new_tokens)
        usual = Limits(*room, settings.max_words, settings.min_confidence)
        return cls(decoder, parts, usual, Limits(*room, MAX_WORDS, 0.0))

    def steps_again(self, prompt: str) -> int:
        """How often the decoder runs for ``prompt`` when it was asked just before."""
        suggest(prompt, "", self.endless, self.parts)
        before = self.decoder.steps
        suggest(prompt, "", self.endless, self.parts)
        return self.decoder.steps - before


def measure_completion(
    runtime: CompletionRuntime, compiled: CompiledModel, turn: int
) -> list[Sample]:
    """Time per suggestion and per token."""
    engine = Engine.open(runtime, compiled, exact=False)
    new, key, token = [], [], []
    for text in prompts(tokenizer_of(compiled), turn):
        new.append(_ms(partial(suggest, text, "", engine.usual, engine.parts)))
        key.append(_ms(partial(suggest, next_keystroke(text), "", engine.usual, engine.parts)))
        steps = engine.steps_again(text)
        token.append(_ms(partial(suggest, text, "", engine.endless, engine.parts)) / steps)
    return [
        _sample("completion", new, PROMPT_SHAPE, "suggestion, new prompt"),
        _sample("completion", key, PROMPT_SHAPE, "suggestion, one keystroke on"),
        _sample("completion", token, PROMPT_SHAPE, "per token"),
    ]


def count_steps(runtime: CompletionRuntime, compiled: CompiledModel, turn: int) -> list[int]:
    """The extension's decoder steps per prompt, asked a second time with a confidence of 0.

    From the exact kernels, which choose the tokens that the extension chooses.
    """
    engine = Engine.open(runtime, compiled, exact=True)
    return [engine.steps_again(text) for text in prompts(tokenizer_of(compiled), turn)]


def _ms(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return (perf_counter() - started) * 1000


def _sample(subject: str, values: Sequence[float], shape: str, metric: str) -> Sample:
    return Sample(subject, "onnxruntime", shape, metric, tuple(values))
