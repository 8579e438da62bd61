from io import StringIO

from rich.console import Console

from extbuild.bench.rows import Missing, Ratio, Sample, ratios_of, rows_of
from extbuild.bench.table import bench_table, everything

ROWS = rows_of(
    [
        Sample("moderation", "onnxruntime", "1 x 64 tokens", "per text", (2.0,)),
        Sample("moderation", "extension", "1 x 64 tokens", "per text", (5.0,), "chrome 1"),
    ]
)


def test_the_table_shows_each_browser_beside_native_and_how_many_times_it_takes() -> None:
    console = Console(file=StringIO(), width=100)
    with console.capture() as shown:
        console.print(bench_table(ROWS, ratios_of(ROWS, {})))
    (line,) = [line for line in shown.get().splitlines() if "per text" in line]
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == ["moderation: per text, 1 x 64 tokens", "2.0 ms", "5.0 ms (2.5 x)"]


def test_goals_and_what_is_missing_stand_below() -> None:
    console = Console(file=StringIO(), width=120)
    ratio = Ratio("decode, engine / peer", 2.0, 4.0, "higher")
    with console.capture() as shown:
        console.print(everything([], [ratio], [Missing("m", "llama.cpp", None, "not [there]")]))
    text = shown.get()
    assert "≥ 4" in text
    assert "fails" in text
    assert "not measured: m by llama.cpp, native: not [there]" in text
