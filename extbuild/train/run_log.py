"""What a training run shows and keeps: a bar or plain lines, and a JSON-lines log."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


@dataclass
class RunLog:
    """Reports progress in [0, 1]; a rich bar on a terminal, a line every `every_s` otherwise."""

    title: str
    path: Path
    every_s: float = 20.0
    _last: float = field(default=0.0, init=False)
    _bar: Progress | None = field(default=None, init=False)
    _task: TaskID = field(default=TaskID(0), init=False)

    def __enter__(self) -> RunLog:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn(self.title),
                BarColumn(),
                TextColumn("{task.percentage:5.1f} %"),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task("", total=1.0)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, progress: float, **figures: float) -> None:
        """Show the newest figures; they reach the log file at most every `every_s` seconds."""
        text = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        if self._bar is not None:
            self._bar.update(self._task, completed=progress, description=text)
        now = time.monotonic()
        if now - self._last >= self.every_s:
            self._last = now
            self.event("step", progress=progress, **figures)
            if self._bar is None:
                print(f"{self.title} {progress:6.1%}  {text}", file=sys.stderr, flush=True)

    def event(self, kind: str, **figures: float) -> None:
        """Append one JSON line."""
        with self.path.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"kind": kind, "time": time.time(), **figures}) + "\n")

    def say(self, text: str) -> None:
        """Print a line without disturbing the bar."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)
