"""Measuring the installed extension, through the path that its own pages take.

A call goes page -> port -> router -> worker -> ONNX Runtime Web and back; times are taken in the
page around it. Every text is new, so no cache answers.
"""

from collections.abc import Callable, Sequence

from tokenizers import Tokenizer

from extbuild.bench.rows import Row, row_of
from extbuild.bench.shapes import (
    BATCHES,
    COLD_RUNS,
    MAX_WORDS,
    PROMPT_SHAPE,
    TEXT_RUNS,
    batch_shape,
    batch_texts,
    next_keystroke,
    prompts,
)
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


def measure_moderation(browser: Browser, name: str, tokenizer: Tokenizer) -> list[Row]:
    """Time to the first verdict of a stopped extension, and per batch of a running one."""
    cold = _cold(browser, lambda run: score_call(batch_texts(tokenizer, 1, -1 - run)))
    rows = [_row("moderation", cold, name, batch_shape(1), "first verdict, cold start")]
    for size in BATCHES:
        calls = [score_call(batch_texts(tokenizer, size, run)) for run in range(TEXT_RUNS + 1)]
        _, *timed = converse(browser.driver, calls)  # the first of a shape also plans memory
        per_text = [answer.ms / size for answer in timed]
        rows.append(_row("moderation", per_text, name, batch_shape(size), "per text"))
    return rows


def measure_completion(
    browser: Browser,
    name: str,
    runtime: CompletionRuntime,
    tokenizer: Tokenizer,
    steps: Sequence[int],
) -> list[Row]:
    """Time per suggestion and per token.

    ``steps[i]`` is how many times the decoder runs for the i-th prompt when it is asked a second
    time with a confidence of 0; the algorithm is the same in Python, which counted them.
    """

    def usual(before: str) -> Call:
        return suggest_call(
            before, min_confidence=runtime.min_confidence, max_words=runtime.max_words
        )

    texts = prompts(tokenizer)
    cold = _cold(browser, lambda run: usual(f"{run} {texts[0]}"))
    new, key, token = [], [], []
    for text, count in zip(texts, steps, strict=True):
        endless = suggest_call(text, min_confidence=0.0, max_words=MAX_WORDS)
        first, second, _, again = converse(
            browser.driver,
            [usual(text), usual(next_keystroke(text)), endless, endless],
        )
        new.append(first.ms)
        key.append(second.ms)
        token.append(again.ms / count)
    return [
        _row("completion", cold, name, PROMPT_SHAPE, "first suggestion, cold start"),
        _row("completion", new, name, PROMPT_SHAPE, "suggestion, new prompt"),
        _row("completion", key, name, PROMPT_SHAPE, "suggestion, one keystroke on"),
        _row("completion", token, name, PROMPT_SHAPE, "per token"),
    ]


def _cold(browser: Browser, call: Callable[[int], Call]) -> list[float]:
    """Milliseconds from asking an extension whose background was ended, models and all."""
    times = []
    for run in range(COLD_RUNS):
        browser.stop_background()
        times.append(converse(browser.driver, [call(run)])[0].ms)
    return times


def _row(subject: str, values: Sequence[float], name: str, shape: str, metric: str) -> Row:
    return row_of(
        values, subject=subject, peer="extension", shape=shape, metric=metric, browser=name
    )
