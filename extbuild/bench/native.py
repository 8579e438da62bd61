"""The peer: native ONNX Runtime in Python on the same packed bytes, one thread, the same algorithm.

Tokenising is timed on both sides. What the extension has and the peer has not is the way there and
back: two messages of a few hundred bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from tokenizers import Tokenizer

from extbuild.artifacts import CompiledModel
from extbuild.bench.rows import Row, row_of
from extbuild.bench.shapes import (
    BATCHES,
    MAX_WORDS,
    PROMPT_SHAPE,
    TEXT_RUNS,
    batch_shape,
    batch_texts,
    next_keystroke,
    prompts,
)
from extbuild.config.runtime import CompletionRuntime, ModerationRuntime
from extbuild.evaluate.moderation import decide, plan_batches
from extbuild.evaluate.session import DecoderSession, EncoderSession, Float32
from extbuild.evaluate.settings import CompletionSettings, ModerationSettings
from extbuild.evaluate.suggest import Limits, Parts, suggest
from extbuild.evaluate.vocabulary import token_vocabulary


def tokenizer_of(compiled: CompiledModel) -> Tokenizer:
    """The packed tokenizer, as it is used: nothing padded or cut off by itself."""
    tokenizer = Tokenizer.from_str(compiled.tokenizer_json.decode())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def measure_moderation(runtime: ModerationRuntime, compiled: CompiledModel) -> list[Row]:
    """Time per text in batches of each size, cut up as the extension does."""
    values = {name: value for name, value in runtime if name != "files"}
    settings = ModerationSettings(**values)
    tokenizer = tokenizer_of(compiled)
    session = EncoderSession(compiled, settings.pad_id)

    def score(texts: Sequence[str]) -> None:
        ids = [tokenizer.encode(text).ids for text in texts]
        for batch in plan_batches([len(row) for row in ids], settings.batch_tokens):
            for logits in session.logits([ids[index] for index in batch]):
                decide(logits, settings)

    rows = []
    for size in BATCHES:
        batches = [batch_texts(tokenizer, size, run) for run in range(TEXT_RUNS + 1)]
        _, *timed = [_ms(partial(score, texts)) / size for texts in batches]
        rows.append(_row("moderation", timed, batch_shape(size), "per text"))
    return rows


@dataclass
class Counting:
    """A decoder that counts how often it runs."""

    inner: DecoderSession
    steps: int = 0

    def rewind(self, ids: Sequence[int]) -> int:
        """As the decoder inside."""
        return self.inner.rewind(ids)

    def append(self, ids: Sequence[int]) -> Float32:
        """As the decoder inside, and one step more."""
        self.steps += 1
        return self.inner.append(ids)


def measure_completion(
    runtime: CompletionRuntime, compiled: CompiledModel
) -> tuple[list[Row], list[int]]:
    """Rows, and the decoder's steps per prompt when it is asked again with a confidence of 0."""
    values = {name: value for name, value in runtime if name != "files"}
    settings = CompletionSettings(**values)
    tokenizer = tokenizer_of(compiled)
    decoder = Counting(DecoderSession(compiled, settings))
    parts = Parts(
        decoder=decoder,
        encode=lambda text: tokenizer.encode(text).ids,
        vocabulary=token_vocabulary(compiled.tokenizer_json),
        bos_id=settings.bos_id,
    )
    usual = Limits(
        context_tokens=settings.context_tokens,
        max_new_tokens=settings.max_new_tokens,
        max_words=settings.max_words,
        min_confidence=settings.min_confidence,
    )
    endless = Limits(settings.context_tokens, settings.max_new_tokens, MAX_WORDS, 0.0)
    new, key, token, steps = [], [], [], []
    for text in prompts(tokenizer):
        new.append(_ms(partial(suggest, text, "", usual, parts)))
        key.append(_ms(partial(suggest, next_keystroke(text), "", usual, parts)))
        suggest(text, "", endless, parts)
        decoder.steps = 0
        again = _ms(partial(suggest, text, "", endless, parts))
        steps.append(decoder.steps)
        token.append(again / decoder.steps)
    rows = [
        _row("completion", new, PROMPT_SHAPE, "suggestion, new prompt"),
        _row("completion", key, PROMPT_SHAPE, "suggestion, one keystroke on"),
        _row("completion", token, PROMPT_SHAPE, "per token"),
    ]
    return rows, steps


def _ms(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return (perf_counter() - started) * 1000


def _row(subject: str, values: Sequence[float], shape: str, metric: str) -> Row:
    return row_of(values, subject=subject, peer="onnxruntime", shape=shape, metric=metric)
