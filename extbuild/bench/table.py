"""Measurements for people."""

from collections.abc import Sequence

from rich.table import Table

from extbuild.bench.rows import Ratio, Row
from extbuild.files import human_bytes


def rows_table(rows: Sequence[Row]) -> Table:
    """One line per row, in the order in which they were measured."""
    table = Table(title="Measured", title_justify="left")
    for heading in ("subject", "metric", "shape", "peer", "browser"):
        table.add_column(heading)
    table.add_column("median", justify="right")
    table.add_column("runs", justify="right")
    for row in rows:
        shown = human_bytes(row.median) if row.unit == "bytes" else f"{row.median:.1f} {row.unit}"
        table.add_row(
            row.subject, row.metric, row.shape, row.peer, row.browser or "", shown, str(row.runs)
        )
    return table


def ratios_table(ratios: Sequence[Ratio]) -> Table:
    """One line per ratio; a goal that is not reached is red."""
    table = Table(title="Extension / native ONNX Runtime, one thread each", title_justify="left")
    table.add_column("ratio")
    table.add_column("value", justify="right")
    table.add_column("goal", justify="right")
    for ratio in ratios:
        style = "red" if ratio.passed is False else ""
        goal = "" if ratio.goal is None else f"≤ {ratio.goal:.2f}"
        table.add_row(ratio.name, f"{ratio.value:.2f}", goal, style=style)
    return table
