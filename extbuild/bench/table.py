"""Measurements for people: one line per thing measured, one column per browser."""

from collections.abc import Sequence

from rich.table import Table

from extbuild.bench.rows import Ratio, Row, ratio_name
from extbuild.files import human_bytes

NATIVE = "native"


def bench_table(rows: Sequence[Row], ratios: Sequence[Ratio]) -> Table:
    """Medians, and beside those of a browser how many times slower than native they are."""
    by_name = {ratio.name: ratio for ratio in ratios}
    things = list(dict.fromkeys((row.subject, row.metric, row.shape) for row in rows))
    browsers = list(dict.fromkeys(row.browser for row in rows if row.browser))
    columns = [NATIVE, *browsers]
    table = Table(caption="medians; in brackets: times native, one thread each")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for subject, metric, shape in things:
        cells = dict.fromkeys(columns, "")
        for row in rows:
            if (row.subject, row.metric, row.shape) == (subject, metric, shape):
                cells[row.browser or NATIVE] = _cell(row, by_name.get(ratio_name(row)))
        table.add_row(f"{subject}: {metric}, {shape}", *cells.values())
    return table


def _cell(row: Row, ratio: Ratio | None) -> str:
    shown = human_bytes(row.median) if row.unit == "bytes" else f"{row.median:.1f} {row.unit}"
    if ratio is None:
        return shown
    colour = "red" if ratio.passed is False else "dim"
    return f"{shown} [{colour}]({ratio.value:.1f} x)[/]"
