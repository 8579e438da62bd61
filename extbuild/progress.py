"""Telling what a build does: bars for people, lines for logs, JSON lines for programs.

`Stages` times the stages and keeps the list for the report; a `Listener` shows them.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress


@dataclass(frozen=True, slots=True)
class StageTime:
    """One stage of a build that has ended. `cached`: its result was found, not made."""

    name: str
    seconds: float
    cached: bool


class Listener(Protocol):
    """Shows a build as it goes on."""

    def planned(self, stages: int) -> None:
        """About how many stages there will be."""

    def started(self, stage: str) -> None:
        """A stage began."""

    def step(self, stage: str, text: str) -> None:
        """A stage got somewhere."""

    def finished(self, time: StageTime) -> None:
        """A stage ended well."""

    def close(self) -> None:
        """Nothing more will come: give the terminal back."""


class Stages:
    """The stages of one build, in the order in which they ended."""

    def __init__(
        self, listener: Listener, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._listener = listener
        self._clock = clock
        self._times: list[StageTime] = []

    @property
    def times(self) -> tuple[StageTime, ...]:
        """What has ended so far."""
        return tuple(self._times)

    def plan(self, stages: int) -> None:
        """Announce how many stages there will be."""
        self._listener.planned(stages)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time the block as the stage `name`; gives the function that reports a step of it."""
        self._listener.started(name)
        start = self._clock()
        yield lambda text: self._listener.step(name, text)
        self._end(StageTime(name, round(self._clock() - start, 3), cached=False))

    def found(self, name: str) -> None:
        """Note a stage whose result was in the cache."""
        self._end(StageTime(name, 0.0, cached=True))

    def _end(self, time: StageTime) -> None:
        self._times.append(time)
        self._listener.finished(time)


class Silent:
    """Shows nothing."""

    def planned(self, stages: int) -> None:
        """Nothing."""

    def started(self, stage: str) -> None:
        """Nothing."""

    def step(self, stage: str, text: str) -> None:
        """Nothing."""

    def finished(self, time: StageTime) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class JsonLines(Silent):
    """One JSON object per line: ``{"event": "started" | "step" | "finished", "stage": ...}``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def _say(self, **event: object) -> None:
        print(json.dumps(event), file=self._stream, flush=True)

    def planned(self, stages: int) -> None:
        """``stages``: how many."""
        self._say(event="planned", stages=stages)

    def started(self, stage: str) -> None:
        """``stage``: its name."""
        self._say(event="started", stage=stage)

    def step(self, stage: str, text: str) -> None:
        """``text``: where it got to."""
        self._say(event="step", stage=stage, text=text)

    def finished(self, time: StageTime) -> None:
        """``seconds`` and ``cached``."""
        self._say(event="finished", stage=time.name, seconds=time.seconds, cached=time.cached)


class PlainLines(Silent):
    """One line per stage, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def finished(self, time: StageTime) -> None:
        """The stage with its seconds."""
        took = "cached" if time.cached else f"{time.seconds:.1f} s"
        print(f"  {time.name:<28} {took:>8}", file=self._stream, flush=True)


class Bars(Silent):
    """A bar over all stages with times and the present stage, and a line per stage above."""

    def __init__(self, console: Console) -> None:
        self._progress = RichProgress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[text]}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None, text="")
        self._progress.start()

    def planned(self, stages: int) -> None:
        """Length of the bar."""
        self._progress.update(self._task, total=stages)

    def started(self, stage: str) -> None:
        """Name beside the bar."""
        self._progress.update(self._task, description=stage, text="")

    def step(self, stage: str, text: str) -> None:
        """Small print beside the bar."""
        self._progress.update(self._task, text=text)

    def finished(self, time: StageTime) -> None:
        """One more, and a line."""
        took = "[dim]  cached[/]" if time.cached else f"{time.seconds:6.1f} s"
        self._progress.console.print(f"[green]✓[/] {time.name:<28} {took}", highlight=False)
        self._progress.advance(self._task)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def listener_for(stream: TextIO, *, as_json: bool) -> Listener:
    """Bars on a terminal, lines elsewhere, JSON where a program asked for it."""
    if as_json:
        return JsonLines(sys.stdout)
    console = Console(file=stream)
    return Bars(console) if console.is_terminal else PlainLines(stream)
