"""What a measurement gives: rows, and the ratios between the extension and its native peer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

Peer = Literal["extension", "onnxruntime"]
Unit = Literal["ms", "bytes"]


@dataclass(frozen=True, slots=True)
class Row:
    """The median of ``runs`` measurements of one thing.

    ``subject`` is a model or the package, ``peer`` what ran it: the installed extension, or native
    ONNX Runtime in Python on the same packed bytes. ``shape`` says how much was asked at once.
    ``browser`` is a name and a version, None for the native peer, ``threads`` where nothing runs.
    """

    subject: str
    peer: Peer
    shape: str
    metric: str
    unit: Unit
    median: float
    runs: int
    threads: int | None
    browser: str | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """``value`` is extension / native, 1 = as fast as native; ``goal`` the most that passes."""

    name: str
    value: float
    goal: float | None

    @property
    def passed(self) -> bool | None:
        """Whether the goal is reached; None where none is set."""
        return None if self.goal is None else self.value <= self.goal


@dataclass(frozen=True, slots=True)
class Sample:
    """Milliseconds of one thing, measured in one round on one thread; fields as in ``Row``."""

    subject: str
    peer: Peer
    shape: str
    metric: str
    values: tuple[float, ...]
    browser: str | None = None


def rows_of(samples: Sequence[Sample]) -> list[Row]:
    """One row for each thing, over the measurements of all rounds together."""
    values: dict[tuple[str, Peer, str, str, str | None], list[float]] = {}
    for one in samples:
        thing = (one.subject, one.peer, one.shape, one.metric, one.browser)
        values.setdefault(thing, []).extend(one.values)
    return [
        Row(subject, peer, shape, metric, "ms", median(measured), len(measured), 1, browser)
        for (subject, peer, shape, metric, browser), measured in values.items()
    ]


def ratio_name(row: Row) -> str:
    """What the ratio of an extension's row to its native peer's is called, in every version."""
    name = (row.browser or "").partition(" ")[0]
    return f"{name} / native: {row.subject} {row.metric}, {row.shape}"


def ratios_of(rows: Sequence[Row], goals: Mapping[str, float]) -> tuple[Ratio, ...]:
    """One ratio for each extension row that has a native row of the same subject, shape, metric.

    Both were measured in turns on one machine, so its load and speed cancel out.
    ``goals`` are by name.
    """
    native = {
        (row.subject, row.shape, row.metric): row.median
        for row in rows
        if row.peer == "onnxruntime"
    }
    return tuple(
        Ratio(ratio_name(row), row.median / base, goals.get(ratio_name(row)))
        for row in rows
        if row.peer == "extension" and (base := native.get((row.subject, row.shape, row.metric)))
    )


def as_json(rows: Sequence[Row], ratios: Sequence[Ratio]) -> dict[str, object]:
    """The document that ``inv bench --json`` writes."""
    return {
        "rows": [asdict(row) for row in rows],
        "ratios": [
            {"name": ratio.name, "value": ratio.value, "goal": ratio.goal, "pass": ratio.passed}
            for ratio in ratios
        ],
    }
