"""Completion rows judged side by side: one process per core, each with a session of its own.

A simulated writer asks for one token after the other, which no number of threads inside a session
makes faster; rows know nothing of each other, so they can be spread.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from extbuild.artifacts import CompiledModel
from extbuild.evaluate.completion import Writer, Writing, write_with_help
from extbuild.evaluate.settings import CompletionSettings

_FEW_ROWS = 16
"""Starting processes costs more than it saves below this."""

_writers: list[Writer] = []
"""The writer of this worker process, made by its initializer."""


def judge_text(writer: Writer, text: str, *, max_chars: int | None) -> tuple[float, Writing]:
    """Nats of the whole text, and the writing of its first ``max_chars`` characters."""
    return writer.score(text).nats, write_with_help(text[:max_chars], writer.suggest)


def judge_texts(
    compiled: CompiledModel,
    settings: CompletionSettings,
    texts: Sequence[str],
    *,
    max_chars: int | None = None,
    processes: int | None = None,
) -> Iterator[tuple[float, Writing]]:
    """:func:`judge_text` of each text, in their order; ``processes`` is the number of cores."""
    count = min(processes or len(os.sched_getaffinity(0)), len(texts))
    if count < 2 or len(texts) < _FEW_ROWS:
        writer = Writer(compiled, settings)
        yield from (judge_text(writer, text, max_chars=max_chars) for text in texts)
        return
    with ProcessPoolExecutor(
        count, get_context("spawn"), initializer=_start, initargs=(compiled, settings)
    ) as pool:
        yield from pool.map(partial(_judge, max_chars), texts)


def _start(compiled: CompiledModel, settings: CompletionSettings) -> None:
    # Ctrl-C reaches every process of the terminal; the one that waits for us tells of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _writers.append(Writer(compiled, settings))


def _judge(max_chars: int | None, text: str) -> tuple[float, Writing]:
    return judge_text(_writers[0], text, max_chars=max_chars)
