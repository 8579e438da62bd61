from xml.etree import ElementTree

import pytest

from extbuild.bench.charts import Line, lines
from extbuild.bench.html import bench_html
from extbuild.bench.random_models import MINILM_L6, SMOLLM2_135M
from extbuild.bench.rows import Missing, Ratio, Row

DECODER = SMOLLM2_135M.name
ROWS = [
    Row(DECODER, peer, "after 64 tokens", "decode", "tokens/s", rate, 3, threads, "chrome 1")
    for peer, rate, threads in (
        ("engine int4", 100.0, 1),
        ("engine int4", 160.0, 2),
        ("onnxruntime-web int8", 20.0, 1),
        ("wllama <Q4_0>", 9.0, 1),
    )
] + [
    Row(
        MINILM_L6.name,
        "engine int8",
        f"{texts} x 64 tokens",
        "encode",
        "texts/s",
        50.0,
        3,
        1,
        "x 1",
    )
    for texts in (1, 4, 16)
]


def test_the_page_is_whole_and_asks_nothing_of_the_network() -> None:
    page = bench_html(ROWS, [Ratio("a < b", 2.0, 1.0, "higher")], [], "a machine")
    body = page[page.index("<main>") : page.index("</main>") + len("</main>")]
    ElementTree.fromstring(body)
    assert "//" not in body.replace("</", "")
    for text in ("a &lt; b", "passes", "wllama &lt;Q4_0&gt;", "Cost of threads", "Cost of a batch"):
        assert text in body


def test_a_peer_that_could_not_run_is_named_with_its_reason() -> None:
    missing = [Missing(DECODER, "llama.cpp Q4_0", None, "not installed")]
    page = bench_html(ROWS, [], missing, "a machine")
    assert "llama.cpp Q4_0" in page
    assert "not installed" in page


def test_a_page_of_nothing_is_a_page() -> None:
    assert "<main>" in bench_html([], [], [], "a machine")


@pytest.mark.parametrize("factor", [1.0, 1000.0])
def test_cost_in_proportion_is_a_straight_line(factor: float) -> None:
    drawn = lines([Line("a", [(x, x * factor) for x in (1.0, 2.0, 8.0)], "a")], "t", "x", "y")
    (points,) = [
        element.attrib["points"] for element in ElementTree.fromstring(drawn).iter("polyline")
    ]
    (a, b), (c, d), (e, f) = (map(float, point.split(",")) for point in points.split())
    assert (d - b) / (c - a) == pytest.approx((f - d) / (e - c), rel=0.02)
