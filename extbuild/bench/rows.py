"""What a measurement gives: rows, and ratios between them with their goals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

Unit = Literal["ms", "bytes", "tokens/s", "texts/s"]
Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Row:
    """The median of ``runs`` measurements of one thing.

    ``subject`` is a model or the package, ``peer`` what ran it: ``engine int4``, ``extension`` (the
    installed one), ``onnxruntime`` (native, on the same weights) and so on. ``shape`` says how much
    was asked at once. ``browser`` is a name and a version, None for a native peer, ``threads``
    where nothing runs.
    """

    subject: str
    peer: str
    shape: str
    metric: str
    unit: Unit
    median: float
    runs: int
    threads: int | None
    browser: str | None

    @property
    def browser_name(self) -> str:
        """The browser without its version."""
        return (self.browser or "").partition(" ")[0]


@dataclass(frozen=True, slots=True)
class Ratio:
    """``goal`` is the most that passes where lower is better, and the least where higher is."""

    name: str
    value: float
    goal: float | None
    better: Better = "lower"

    @property
    def passed(self) -> bool | None:
        """Whether the goal is reached; None where none is set."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of one thing, measured in one round; fields as in ``Row``."""

    subject: str
    peer: str
    shape: str
    metric: str
    values: tuple[float, ...]
    browser: str | None = None
    unit: Unit = "ms"
    threads: int | None = 1


@dataclass(frozen=True, slots=True)
class Missing:
    """A peer that could not be measured, and why."""

    subject: str
    peer: str
    browser: str | None
    reason: str


def rows_of(samples: Sequence[Sample]) -> list[Row]:
    """One row for each thing, over the measurements of all rounds together."""
    things: dict[Sample, list[float]] = {}
    for one in samples:
        thing = Sample(
            one.subject, one.peer, one.shape, one.metric, (), one.browser, one.unit, one.threads
        )
        things.setdefault(thing, []).extend(one.values)
    return [
        Row(
            subject=thing.subject,
            peer=thing.peer,
            shape=thing.shape,
            metric=thing.metric,
            unit=thing.unit,
            median=median(values),
            runs=len(values),
            threads=thing.threads,
            browser=thing.browser,
        )
        for thing, values in things.items()
        if values
    ]


def ratio_name(row: Row) -> str:
    """What the ratio of an extension's row to its native peer's is called, in every version."""
    return f"{row.browser_name} / native: {row.subject} {row.metric}, {row.shape}"


def ratios_of(rows: Sequence[Row], goals: Mapping[str, float]) -> tuple[Ratio, ...]:
    """One ratio for each extension row that has a native row of the same subject, shape, metric.

    1 = as fast as native; lower is better. Both were measured in turns on one machine, so its load
    and speed cancel out. ``goals`` are by name.
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


def as_json(
    rows: Sequence[Row], ratios: Sequence[Ratio], missing: Sequence[Missing] = ()
) -> dict[str, object]:
    """The document that ``inv bench --json`` writes."""
    return {
        "rows": [asdict(row) for row in rows],
        "ratios": [
            {
                "name": ratio.name,
                "value": ratio.value,
                "goal": ratio.goal,
                "pass": ratio.passed,
                "better": ratio.better,
            }
            for ratio in ratios
        ],
        "missing": [asdict(one) for one in missing],
    }
