"""Measuring the installed extension, through the path that its own pages take.

A call goes page -> port -> router -> worker -> ONNX Runtime Web and back; times are taken in the
page around it. Every text is new, so no cache answers.
"""

from collections.abc import Sequence

from tokenizers import Tokenizer

from extbuild.bench.goals import EXTENSION, FIRST_VERDICT
from extbuild.bench.rows import Sample
from extbuild.bench.shapes import (
    BATCHES,
    MAX_WORDS,
    PROMPT_SHAPE,
    PROMPT_TOKENS,
    TEXT_TOKENS,
    batch_shape,
    batches,
    cold_seeds,
    next_keystroke,
    prompts,
)
from extbuild.bench.workload import prompt_of, text_of
from extbuild.browsers import Browser
from extbuild.browsers.engine import Call, converse
from extbuild.config.runtime import CompletionRuntime


def score_call(texts: Sequence[str]) -> Call:
    """One batch of page text."""
    return Call("moderation.score", {"texts": list(texts), "lane": "visible"})


def suggest_call(before: str, *, min_confidence: float, max_words: int) -> Call:
    """One suggestion at the end of what was written."""
    return Call(
        "completion.suggest",
        {
            "field": "bench",
            "before": before,
            "after": "",
            "minConfidence": min_confidence,
            "maxWords": max_words,
        },
    )


def measure_cold(
    browser: Browser, name: str, tokenizer: Tokenizer, turn: int, peer: str
) -> list[Sample]:
    """Time to the first verdict of a stopped extension. ``peer`` says which package it is of."""
    calls = [score_call([text_of(tokenizer, TEXT_TOKENS, seed)]) for seed in cold_seeds(turn)]
    cold = tuple(_cold(browser, calls))
    return [Sample("moderation", peer, batch_shape(1), FIRST_VERDICT, cold, name)]


def measure_moderation(
    browser: Browser, name: str, tokenizer: Tokenizer, turn: int
) -> list[Sample]:
    """Time per text of a running extension."""
    samples = []
    for size in BATCHES:
        calls = [score_call(texts) for texts in batches(tokenizer, size, turn)]
        _, *timed = converse(browser.driver, calls)
        per_text = [answer.ms / size for answer in timed]
        samples.append(_sample("moderation", per_text, name, batch_shape(size), "per text"))
    return samples


def measure_completion(
    browser: Browser,
    name: str,
    runtime: CompletionRuntime,
    tokenizer: Tokenizer,
    turn: int,
    steps: Sequence[int],
) -> list[Sample]:
    """Time per suggestion and per token.

    ``steps[i]`` is how many times the decoder runs for the i-th prompt when it is asked a second
    time with a confidence of 0; the algorithm is the same in Python, which counted them.
    """

    def usual(before: str) -> Call:
        return suggest_call(
            before, min_confidence=runtime.min_confidence, max_words=runtime.max_words
        )

    firsts = [usual(prompt_of(tokenizer, PROMPT_TOKENS, seed)) for seed in cold_seeds(turn)]
    cold = _cold(browser, firsts)
    new, key, token = [], [], []
    for text, count in zip(prompts(tokenizer, turn), steps, strict=True):
        endless = suggest_call(text, min_confidence=0.0, max_words=MAX_WORDS)
        first, second, _, again = converse(
            browser.driver,
            [usual(text), usual(next_keystroke(text)), endless, endless],
        )
        new.append(first.ms)
        key.append(second.ms)
        token.append(again.ms / count)
    return [
        _sample("completion", cold, name, PROMPT_SHAPE, "first suggestion, cold start"),
        _sample("completion", new, name, PROMPT_SHAPE, "suggestion, new prompt"),
        _sample("completion", key, name, PROMPT_SHAPE, "suggestion, one keystroke on"),
        _sample("completion", token, name, PROMPT_SHAPE, "per token"),
    ]


def _cold(browser: Browser, calls: Sequence[Call]) -> list[float]:
    """Milliseconds from asking an extension whose background was ended, models and all."""
    times = []
    for call in calls:
        browser.stop_background()
        times.append(converse(browser.driver, [call])[0].ms)
    return times


def _sample(subject: str, values: Sequence[float], name: str, shape: str, metric: str) -> Sample:
    return Sample(subject, EXTENSION, shape, metric, tuple(values), name)
