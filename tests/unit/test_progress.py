import io
import json

import pytest
from rich.console import Console

from extbuild.progress import Bars, JsonLines, PlainLines, Silent, Stages, StageTime


class Clock:
    """A clock that goes on by a second with every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_stages_are_timed_in_their_order() -> None:
    stages = Stages(Silent(), clock=Clock())
    with stages.stage("compress moderation"):
        pass
    stages.found("compress completion")
    assert stages.times == (
        StageTime("compress moderation", 1.0, cached=False),
        StageTime("compress completion", 0.0, cached=True),
    )


def test_a_stage_that_fails_is_not_reported_as_finished() -> None:
    stages = Stages(Silent())
    with pytest.raises(KeyError), stages.stage("compress moderation"):
        raise KeyError
    assert stages.times == ()


def test_programs_read_one_json_object_per_line() -> None:
    stream = io.StringIO()
    stages = Stages(JsonLines(stream), clock=Clock())
    stages.plan(2)
    with stages.stage("shard moderation") as step:
        step("half")
    stages.found("load moderation")
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "planned", "stages": 2},
        {"event": "started", "stage": "shard moderation"},
        {"event": "step", "stage": "shard moderation", "text": "half"},
        {"event": "finished", "stage": "shard moderation", "seconds": 1.0, "cached": False},
        {"event": "finished", "stage": "load moderation", "seconds": 0.0, "cached": True},
    ]


def test_logs_get_one_line_per_stage() -> None:
    stream = io.StringIO()
    stages = Stages(PlainLines(stream), clock=Clock())
    with stages.stage("shard moderation"):
        pass
    stages.found("load moderation")
    assert [line.split() for line in stream.getvalue().splitlines()] == [
        ["shard", "moderation", "1.0", "s"],
        ["load", "moderation", "cached"],
    ]


def test_a_terminal_keeps_a_line_per_stage_and_gets_its_cursor_back() -> None:
    stream = io.StringIO()
    bars = Bars(Console(file=stream, force_terminal=True, width=100))
    stages = Stages(bars, clock=Clock())
    stages.plan(1)
    with stages.stage("shard moderation") as step:
        step("half")
    bars.close()
    shown = stream.getvalue()
    assert "shard moderation" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
