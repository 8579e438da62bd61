from io import StringIO

from rich.console import Console

from extbuild.bench.rows import ratios_of, row_of
from extbuild.bench.table import bench_table

ROWS = [
    row_of(
        [2.0], subject="moderation", peer="onnxruntime", shape="1 x 64 tokens", metric="per text"
    ),
    row_of(
        [5.0],
        subject="moderation",
        peer="extension",
        shape="1 x 64 tokens",
        metric="per text",
        browser="chrome 1",
    ),
]


def test_the_table_shows_each_browser_beside_native_and_how_many_times_it_takes() -> None:
    console = Console(file=StringIO(), width=100)
    with console.capture() as shown:
        console.print(bench_table(ROWS, ratios_of(ROWS, {})))
    (line,) = [line for line in shown.get().splitlines() if "per text" in line]
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == ["moderation: per text, 1 x 64 tokens", "2.0 ms", "5.0 ms (2.5 x)"]
