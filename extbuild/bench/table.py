"""Measurements for people: one line per thing measured, one column per browser."""

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table

from extbuild.bench.rows import Missing, Ratio, Row, ratio_name
from extbuild.files import human_bytes

NATIVE = "native"


def bench_table(rows: Sequence[Row], ratios: Sequence[Ratio]) -> Table:
    """Medians; behind those of the extension, how many times slower than native they are."""
    by_name = {ratio.name: ratio for ratio in ratios}
    browsers = list(dict.fromkeys(row.browser for row in rows if row.browser))
    columns = [NATIVE, *browsers]
    table = Table(caption="medians; in brackets: times native, one thread each")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    # The extension and the native peer of the same model stand side by side.
    things = list(dict.fromkeys(_thing(row) for row in rows))
    for thing in things:
        cells = dict.fromkeys(columns, "")
        for row in rows:
            if _thing(row) == thing:
                cells[row.browser or NATIVE] = _cell(row, by_name.get(ratio_name(row)))
        table.add_row(thing, *cells.values())
    return table


def _thing(row: Row) -> str:
    peer = "" if row.peer in ("extension", "onnxruntime") else f" by {row.peer}"
    threads = f", {row.threads} threads" if row.threads and row.threads > 1 else ""
    return f"{row.subject}{peer}: {row.metric}, {row.shape}{threads}"


def ratio_table(ratios: Sequence[Ratio]) -> Table:
    """Every ratio that has a goal."""
    table = Table(title="Goals")
    table.add_column("")
    for column in ("value", "goal", ""):
        table.add_column(column, justify="right", no_wrap=True)
    for ratio in ratios:
        if ratio.goal is None:
            continue
        sign = "≥" if ratio.better == "higher" else "≤"
        verdict = "[green]passes[/]" if ratio.passed else "[red]fails[/]"
        table.add_row(ratio.name, f"{ratio.value:.2f}", f"{sign} {ratio.goal:g}", verdict)
    return table


def everything(rows: Sequence[Row], ratios: Sequence[Ratio], missing: Sequence[Missing]) -> Group:
    """The tables, and what could not be measured."""
    goals = [ratio_table(ratios)] if any(ratio.goal is not None for ratio in ratios) else []
    return Group(bench_table(rows, ratios), *goals, *_lines(missing))


def _lines(missing: Sequence[Missing]) -> Iterator[str]:
    for one in missing:
        place = one.browser or NATIVE
        yield f"not measured: {one.subject} by {one.peer}, {place}: {one.reason}".replace(
            "[", "\\["
        )


def _cell(row: Row, ratio: Ratio | None) -> str:
    shown = human_bytes(row.median) if row.unit == "bytes" else f"{row.median:.1f} {row.unit}"
    if ratio is None:
        return shown
    colour = "red" if ratio.passed is False else "dim"
    return f"{shown} [{colour}]({ratio.value:.1f} x)[/]"
